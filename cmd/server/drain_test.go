package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/streams"
)

// TestADrainingPodSaysWhatItWaitsFor: the log has a line soon after what remains has changed, a line every half minute
// when it has not changed, and no line when nothing remains.
func TestADrainingPodSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open, err := streams.New(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		said := make(lines, 8)
		drop := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}
		s := &service{streams: open, log: slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{ReplaceAttr: drop}))}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		go s.reportRemaining(ctx)
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := said.all(); got != want {
				t.Errorf("said %q, want %q", got, want)
			}
		}
		expect(time.Minute, "")
		var first, second streams.Stream
		open.Begin(&first)
		s.inside.Store(2)
		expect(5*time.Second, "msg=\"still draining\" requests=2 streams=1 oldest_stream=5s cut_in=8m55s\n")
		expect(25*time.Second, "")
		expect(5*time.Second, "msg=\"still draining\" requests=2 streams=1 oldest_stream=35s cut_in=8m25s\n")
		open.Begin(&second)
		open.End(&first)
		expect(5*time.Second, "")
		s.inside.Store(1)
		expect(5*time.Second, "msg=\"still draining\" requests=1 streams=1 oldest_stream=10s cut_in=8m15s\n")
		s.inside.Store(0)
		expect(5*time.Minute, "")
		cancel()
		synctest.Wait()
	})
}

// lines keeps log lines until all is called.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

func (l lines) all() string {
	var text strings.Builder
	for len(l) > 0 {
		text.WriteString(<-l)
	}
	return text.String()
}
