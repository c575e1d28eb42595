package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Batch collects what is written to it and passes it on every so often, in one piece: a log line then costs a request
// no system call, and a slow disk or pipe behind the log does not hold requests up. What is at most batchAge old is
// lost when the process is killed; the service's own end flushes. It is safe for concurrent use.
type Batch struct {
	w    io.Writer
	wake chan struct{} // something is pending
	full chan struct{} // so much that it does not wait for batchAge
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	pending []byte

	flushing sync.Mutex // held while spare is being written, so that batches stay in order
	spare    []byte
}

const (
	batchAge  = 50 * time.Millisecond
	batchSize = 64 << 10 // a fuller batch does not wait for batchAge
	batchMost = 1 << 20  // where w is slower than the lines come, the line that fills this waits for it
)

// NewBatch returns a Batch in front of w. It must be closed.
func NewBatch(w io.Writer) *Batch {
	b := &Batch{w: w, wake: make(chan struct{}, 1), full: make(chan struct{}, 1), stop: make(chan struct{})}
	b.done.Go(b.run)
	return b
}

// Write takes one or more whole lines. It never fails; what w refuses is lost, as with any log. slog calls it within
// its own lock, for which every request waits that ends meanwhile: so it leaves the writing to the background.
func (b *Batch) Write(line []byte) (int, error) {
	b.mu.Lock()
	first := len(b.pending) == 0
	b.pending = append(b.pending, line...)
	pending := len(b.pending)
	b.mu.Unlock()
	if first {
		signal(b.wake)
	}
	switch {
	case pending >= batchMost:
		b.Flush()
	case pending >= batchSize:
		signal(b.full)
	}
	return len(line), nil
}

// signal leaves a sign in a channel that has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Flush passes on what is pending.
func (b *Batch) Flush() {
	b.flushing.Lock()
	defer b.flushing.Unlock()
	b.mu.Lock()
	b.pending, b.spare = b.spare[:0], b.pending
	b.mu.Unlock()
	if len(b.spare) > 0 {
		_, _ = b.w.Write(b.spare)
	}
}

// run passes a batch on when it is full or its first line has reached batchAge. With nothing to write it sleeps.
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

// Close passes on what is pending and ends the background work. What is written later is passed on only by Flush.
func (b *Batch) Close() error {
	close(b.stop)
	b.done.Wait()
	b.Flush()
	return nil
}

// Urgent returns a handler that flushes b after every record of level warn and above: what tells of trouble should not
// be lost with it.
func Urgent(h slog.Handler, b *Batch) slog.Handler { return &urgent{h, b} }

type urgent struct {
	slog.Handler
	batch *Batch
}

func (u *urgent) Handle(ctx context.Context, r slog.Record) error {
	err := u.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		u.batch.Flush()
	}
	return err
}

func (u *urgent) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &urgent{u.Handler.WithAttrs(attrs), u.batch}
}
func (u *urgent) WithGroup(name string) slog.Handler {
	return &urgent{u.Handler.WithGroup(name), u.batch}
}
