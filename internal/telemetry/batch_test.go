package telemetry_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink counts writes.
type sink struct {
	mu     sync.Mutex
	out    bytes.Buffer
	writes int
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.out.Write(b)
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func TestBatchCollectsLinesAndLosesNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		b := telemetry.NewBatch(s)
		for i := range 10 {
			fmt.Fprintf(b, "line %d\n", i)
		}
		if n := s.count(); n != 0 {
			t.Errorf("%d writes before the batch is due", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.count() != 1 || strings.Count(s.out.String(), "\n") != 10 {
			t.Errorf("%d writes of %q", s.writes, &s.out)
		}
		fmt.Fprintln(b, "last")
		if err := b.Close(); err != nil || !strings.HasSuffix(s.out.String(), "last\n") {
			t.Errorf("closing: %v, %q", err, &s.out)
		}
	})
}

func TestBatchKeepsTheOrderUnderLoad(t *testing.T) {
	t.Parallel()
	s := &sink{}
	b := telemetry.NewBatch(s)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				fmt.Fprintf(b, "%d %d %s\n", w, i, strings.Repeat("x", 100))
			}
		})
	}
	wg.Wait()
	_ = b.Close()
	next := map[int]int{}
	for line := range strings.Lines(s.out.String()) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d", &w, &i); err != nil || next[w] != i {
			t.Fatalf("line %q, want number %d of its writer", line, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != 2000 {
			t.Errorf("writer %d: %d lines", w, n)
		}
	}
}

func TestUrgentRecordsDoNotWait(t *testing.T) {
	t.Parallel()
	s := &sink{}
	b := telemetry.NewBatch(s)
	defer b.Close()
	log := slog.New(telemetry.Urgent(telemetry.NewLogger(b, slog.LevelInfo).Handler(), b)).With(slog.Int("a", 1))
	log.Warn("trouble")
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(s.out.String(), "trouble") {
		t.Errorf("a warning waits in the batch: %q", &s.out)
	}
}

// stuck is a log whose disk hangs until free is closed.
type stuck struct {
	sink

	free chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	return s.sink.Write(b)
}

// TestLinesDoNotWaitForTheDisk: slog writes while it holds a lock that all requests need.
func TestLinesDoNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	s := &stuck{free: make(chan struct{})}
	b := telemetry.NewBatch(s)
	const lines = 900 // of 1 kB: lines wait only when more than a megabyte is pending
	for range lines {
		fmt.Fprintln(b, strings.Repeat("x", 999))
	}
	close(s.free)
	if err := b.Close(); err != nil || strings.Count(s.out.String(), "\n") != lines {
		t.Errorf("%v, %d lines", err, strings.Count(s.out.String(), "\n"))
	}
}
