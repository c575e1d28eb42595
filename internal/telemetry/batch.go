package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Batch collects log lines and writes them together, when they are batchAge old or when there are enough. A log line
// then costs a request no system call, and a disk or pipe that is slow or hangs does not hold requests: what it cannot
// take in time is lost and counted. When the process is killed, the last batchAge of lines is lost; a normal end of the
// service flushes them. It is safe for concurrent use.
type Batch struct {
	w    io.Writer
	lost atomic.Int64
	wake chan struct{} // a line is pending
	full chan struct{} // the batch is full: do not wait for batchAge
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	pending []byte
	written chan struct{} // closed when what is pending is written
	before  chan struct{} // the same for what was pending before; nil before the first flush

	flushing sync.Mutex // held while spare is being written, so that batches stay in order
	spare    []byte
}

const (
	batchAge  = 50 * time.Millisecond
	batchSize = 64 << 10 // in bytes; a larger batch does not wait for batchAge
	batchMost = 4 << 20  // in bytes; when so much is pending, further lines are lost

	urgentWait = 100 * time.Millisecond // that an urgent record waits to be written
)

// NewBatch returns a Batch in front of w. It must be closed.
func NewBatch(w io.Writer) *Batch {
	b := &Batch{w: w, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), stop: make(chan struct{}),
		written: make(chan struct{})}
	b.done.Go(b.run)
	return b
}

// Register exports how many lines were lost.
func (b *Batch) Register(reg prometheus.Registerer) error {
	return reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "llm_log_lines_lost_total",
		Help: "Log lines that were lost because standard error did not take them in time.",
	}, func() float64 { return float64(b.lost.Load()) }))
}

// Write takes a whole line. It never waits and never fails: a line that w does not take is lost. slog calls Write while
// it holds a lock that every finished request needs, so Write leaves the writing to the background.
func (b *Batch) Write(line []byte) (int, error) {
	b.mu.Lock()
	first := len(b.pending) == 0
	if len(b.pending)+len(line) > batchMost {
		b.lost.Add(1)
	} else {
		b.pending = append(b.pending, line...)
	}
	pending := len(b.pending)
	b.mu.Unlock()
	if first {
		signal(b.wake)
	}
	if pending >= batchSize {
		signal(b.full)
	}
	return len(line), nil
}

// signal sends to a channel with a buffer of one, unless the buffer is full.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Flush writes the pending lines.
func (b *Batch) Flush() {
	b.flushing.Lock()
	defer b.flushing.Unlock()
	b.mu.Lock()
	b.pending, b.spare = b.spare[:0], b.pending
	written := b.written
	b.before, b.written = written, make(chan struct{})
	b.mu.Unlock()
	if len(b.spare) > 0 {
		_, _ = b.w.Write(b.spare)
	}
	close(written)
}

// hurry has the pending lines written now, and waits until they are, but not for a writer that hangs.
func (b *Batch) hurry() {
	b.mu.Lock()
	written := b.written
	if len(b.pending) == 0 { // another one's flush has taken it
		written = b.before
	}
	b.mu.Unlock()
	signal(b.full)
	late := time.NewTimer(urgentWait)
	defer late.Stop()
	select {
	case <-written:
	case <-late.C:
	case <-b.stop: // Close writes what is left
	}
}

// run writes a batch when it is full or its first line is batchAge old. Without pending lines it sleeps.
func (b *Batch) run() {
	for {
		select {
		case <-b.stop:
			return
		case <-b.wake:
		}
		select {
		case <-b.stop:
			return
		case <-b.full:
		case <-time.After(batchAge):
		}
		b.Flush()
	}
}

// Close writes the pending lines and ends the background work. Only Flush writes lines that come later.
func (b *Batch) Close() error {
	close(b.stop)
	b.done.Wait()
	b.Flush()
	return nil
}

// Urgent returns a handler that has b written after every record of level warn or above, so that a crash soon after
// does not lose the record.
func Urgent(h slog.Handler, b *Batch) slog.Handler { return &urgent{h, b} }

type urgent struct {
	slog.Handler
	batch *Batch
}

func (u *urgent) Handle(ctx context.Context, r slog.Record) error {
	err := u.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		u.batch.hurry()
	}
	return err
}

func (u *urgent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &urgent{u.Handler.WithAttrs(attrs), u.batch}
}
func (u *urgent) WithGroup(name string) slog.Handler {
	return &urgent{u.Handler.WithGroup(name), u.batch}
}
