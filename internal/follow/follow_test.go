package follow_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/follow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// following follows a file that holds one line.
func following(t *testing.T, path string, reg prometheus.Registerer) (*follow.File, *atomic.Value, error) {
	t.Helper()
	var inForce atomic.Value
	take := func(text []byte) (bool, error) {
		line, err := follow.Line(text)
		if err != nil {
			return false, err
		}
		inForce.Store(line)
		return true, nil
	}
	f, err := follow.Open(follow.Config{Path: path, What: "secret", Metric: "stale_seconds", Take: take}, discard(),
		reg)
	if err == nil {
		t.Cleanup(func() { _ = f.Close() })
	}
	return f, &inForce, err
}

// stale reads the gauge.
func stale(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "stale_seconds" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

// TestAFileIsFollowed through changes that are good and bad: what is bad changes nothing, and is a trouble and a
// metric.
func TestAFileIsFollowed(t *testing.T) {
	t.Parallel()
	path, reg, begin := filepath.Join(t.TempDir(), "secret"), prometheus.NewRegistry(), time.Now()
	write(t, path, "one\n")
	f, inForce, err := following(t, path, reg)
	if err != nil || inForce.Load() != "one" || f.Trouble() != "" || stale(t, reg) != 0 {
		t.Fatalf("at first: %v, %v, %q", err, inForce.Load(), f.Trouble())
	}
	write(t, path, "two")
	await.True(t, "a change is in force", func() bool { return inForce.Load() == "two" })

	for _, bad := range []struct {
		change func()
		says   string
	}{
		{func() { write(t, path, " \n") }, "the file is empty"},
		{func() { write(t, path, "three\nfour") }, "more than one line"},
		{func() { write(t, path, strings.Repeat("x", 9<<10)) }, "over 8192 bytes"},
		{func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
	} {
		bad.change()
		await.True(t, "a trouble that says: "+bad.says, func() bool { return strings.Contains(f.Trouble(), bad.says) })
		if inForce.Load() != "two" || stale(t, reg) <= 0 || !strings.HasPrefix(f.Trouble(), "since ") {
			t.Errorf("%s: %v in force, %v s stale, %q", bad.says, inForce.Load(), stale(t, reg), f.Trouble())
		}
		if age := stale(t, reg); age > time.Since(begin).Seconds() {
			t.Errorf("%s: %v s stale, longer than the test runs", bad.says, age)
		}
		if strings.Contains(f.Trouble(), "three") || strings.Contains(f.Trouble(), "xxx") {
			t.Errorf("the trouble repeats the text: %q", f.Trouble())
		}
	}
	write(t, path, "two") // as it was before: nothing to take, and no trouble any more
	await.True(t, "no trouble", func() bool { return f.Trouble() == "" })
	if stale(t, reg) != 0 {
		t.Error("still stale")
	}
}

// TestABadFileIsRefusedAtTheStart, and leaves nothing behind.
func TestABadFileIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	if _, _, err := following(t, path, prometheus.NewRegistry()); err == nil {
		t.Error("a missing file was taken")
	}
	write(t, path, "\n")
	if _, _, err := following(t, path, prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an empty file: %v", err)
	}
}

// TestNoFile is for parts that may follow a file, or not: the gauge is there and 0.
func TestNoFile(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	f, inForce, err := following(t, "", reg)
	if err != nil || inForce.Load() != nil || f.Trouble() != "" || stale(t, reg) != 0 {
		t.Errorf("%v, %v in force", err, inForce.Load())
	}
}
