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

	"github.com/prometheus/client_golang/prometheus"
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
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		b := telemetry.NewBatch(s)
		defer b.Close()
		log := slog.New(telemetry.Urgent(telemetry.NewLogger(b, slog.LevelInfo).Handler(), b)).With(slog.Int("a", 1))
		log.Warn("trouble")
		if !strings.Contains(s.out.String(), "trouble") {
			t.Errorf("a warning waits in the batch: %q", &s.out)
		}
	})
}

// TestUrgentRecordsAreWrittenAmongOthers: also one that comes while another one's is being written.
func TestUrgentRecordsAreWrittenAmongOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no time passes while a goroutine can go on
		s := &sink{}
		b := telemetry.NewBatch(s)
		defer b.Close()
		log := slog.New(telemetry.Urgent(telemetry.NewLogger(b, slog.LevelInfo).Handler(), b))
		start := time.Now()
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := range 200 {
					mark := fmt.Sprintf("trouble %d of %d.", i, w)
					log.Warn(mark)
					s.mu.Lock()
					if !strings.Contains(s.out.String(), mark) {
						t.Errorf("%q waits in the batch", mark)
					}
					s.mu.Unlock()
				}
			})
		}
		writers.Wait()
		if took := time.Since(start); took > 0 {
			t.Errorf("records waited for %v", took)
		}
	})
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

// TestLinesDoNotWaitForTheDisk: slog writes while it holds a lock that all requests need. A disk that hangs for long
// costs lines, which are counted, and no request waits for it. What fits is written when it is well again.
func TestLinesDoNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	s := &stuck{free: make(chan struct{})}
	b := telemetry.NewBatch(s)
	reg := prometheus.NewRegistry()
	if err := b.Register(reg); err != nil {
		t.Fatal(err)
	}
	const lines = 20_000 // of 1 kB
	for range lines {
		fmt.Fprintln(b, strings.Repeat("x", 999))
	}
	log := slog.New(telemetry.Urgent(telemetry.NewLogger(b, slog.LevelInfo).Handler(), b))
	log.Warn("the pod goes on")
	close(s.free)
	err := b.Close()
	families, _ := reg.Gather()
	lost := int(families[0].GetMetric()[0].GetCounter().GetValue())
	written := strings.Count(s.out.String(), "\n")
	if err != nil || lost == 0 || written < 4000 || written+lost != lines+1 {
		t.Errorf("%v, %d lines were written and %d lost, of %d", err, written, lost, lines+1)
	}
}
