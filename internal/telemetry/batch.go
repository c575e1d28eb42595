package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Batch collects what is written to it and passes it on every so often, in one piece: a log line then costs a request no
// system call, and a slow disk or pipe behind the log does not hold requests up. What is at most batchAge old is lost when
// the process is killed; the service's own end flushes. It is safe for concurrent use.
type Batch struct {
	w    io.Writer
	wake chan struct{}
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	pending []byte

	flushing sync.Mutex // held while spare is being written, so that batches stay in order
	spare    []byte
}

const (
	batchAge  = 50 * time.Millisecond
	batchSize = 64 << 10 // a fuller batch is passed on by whoever fills it
)

// NewBatch returns a Batch in front of w. It must be closed.
func NewBatch(w io.Writer) *Batch {
	b := &Batch{w: w, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	b.done.Go(b.run)
	return b
}

// Write takes one or more whole lines. It never fails; what w refuses is lost, as with any log.
func (b *Batch) Write(line []byte) (int, error) {
	b.mu.Lock()
	first := len(b.pending) == 0
	b.pending = append(b.pending, line...)
	full := len(b.pending) >= batchSize
	b.mu.Unlock()
	switch {
	case full:
		b.Flush()
	case first:
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return len(line), nil
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

// run passes a batch on when its first line has reached batchAge. With nothing to write it sleeps.
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

// Urgent returns a handler that flushes b after every record of level warn and above: what tells of trouble should not be
// lost with it.
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
