// Package memory keeps what the pod holds of requests and answers within one budget, below the pod's memory limit.
//
//	budget.go   Budget: who gets room, and who waits for it
//	share.go    Share: what one body or one answer holds
//	reader.go   ReadAll: bytes are read as room comes
//	block.go    Block: a body whose bytes are used again when the last holder has let go
//	spare.go    the bytes that are kept for that
//	config.go   settings
//	metrics.go  what is used, who waits, who was refused
//
// Admission bounds the number of requests, not their size: two hundred requests of ten megabytes are two gigabytes.
// The budget is a semaphore in bytes. A body takes its declared length before it is read. An answer takes room as it
// is read, so that a full budget stops the reading and thereby the vendor, and the heap does not grow. What a slow
// reader has not taken yet stays counted.
//
// Two rules keep the holders from waiting for each other without end. Bodies leave a quarter of the budget to
// answers, and give way to answers that wait: a call that has been paid for goes before one that has not been made.
// And one answer at a time may exceed the budget, so that answers that are half read never all wait for the rest.
package memory

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Use is what room is taken for.
type Use int

// The uses, in the order in which they give way.
const (
	Body   Use = iota // a request's body, until the request has ended
	Answer            // a vendor's answer, until the client has taken it
	uses
)

func (u Use) String() string { return [uses]string{"body", "answer"}[u] }

// ErrFull is the cause of a wait for room that did not end in time.
var ErrFull = errors.New("the memory budget is used up")

// layer is the name that refusals give.
const layer = "memory"

// Budget hands out room. A nil Budget has room for everything. It is safe for concurrent use.
type Budget struct {
	size    int64
	wait    time.Duration // for bodies; answers wait for as long as their call may take
	metrics *metrics
	log     *slog.Logger

	mu        sync.Mutex
	used      [uses]int64
	overdrawn *Share          // the answer that exceeds the budget
	spare     spare           // bytes of bodies that have ended
	queues    [uses]list.List // of *waiter
	lastLine  time.Time       // of the log
}

// waiter is a share that wants to grow.
type waiter struct {
	share   *Share
	bytes   int64
	granted chan struct{} // closed, under mu, when the bytes are the share's
}

// Largest returns the bytes of the largest body that can ever find room.
func (b *Budget) Largest() int64 {
	if b == nil {
		return math.MaxInt64 - 1
	}
	return largestBody(b.size)
}

// largestBody is the part of a budget that bodies may use.
func largestBody(size int64) int64 { return size - size/4 }

// take gives the share n more bytes, or waits for them until ctx ends.
func (b *Budget) take(ctx context.Context, s *Share, n int64) error {
	b.mu.Lock()
	if b.queues[Answer].Len() == 0 && b.queues[s.use].Len() == 0 && b.fitsLocked(s, n) {
		b.grantLocked(s, n)
		b.mu.Unlock()
		return nil
	}
	w := &waiter{share: s, bytes: n, granted: make(chan struct{})}
	place := b.queues[s.use].PushBack(w)
	b.mu.Unlock()
	start := time.Now()
	ctx, span := telemetry.Start(ctx, layer)
	err := b.await(ctx, w, place)
	telemetry.End(span, err)
	b.metrics.waited(s.use, time.Since(start), err)
	if errors.Is(err, ErrFull) {
		b.complain(ctx, s.use)
	}
	return err
}

func (b *Budget) await(ctx context.Context, w *waiter, place *list.Element) error {
	if w.share.use == Body {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, b.wait, ErrFull)
		defer cancel()
	}
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted: // at the same moment: it counts
		return nil
	default:
	}
	b.queues[w.share.use].Remove(place)
	b.serveLocked() // who waited behind this one may need less
	return ended(ctx)
}

// ended is the error of a wait that ctx has ended. When it took too long the pod is to blame, whatever deadline it
// was, and neither the client nor the vendor.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, ErrFull) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	if !errors.Is(cause, ErrFull) {
		cause = errors.Join(ErrFull, cause)
	}
	return &outcome.Rejected{Layer: layer, Reason: outcome.Overloaded, RetryAfter: time.Second, Err: cause,
		Detail: "It has no memory for further requests. Try again; another pod may have some."}
}

// give takes n bytes back from the share.
func (b *Budget) give(s *Share, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.held -= n
	b.used[s.use] -= n
	if s.held == 0 && b.overdrawn == s {
		b.overdrawn = nil
	}
	b.serveLocked()
}

// serveLocked gives room to those who wait, answers first, each queue in its order.
func (b *Budget) serveLocked() {
	for use := Answer; use >= Body; use-- {
		for first := b.queues[use].Front(); first != nil; first = b.queues[use].Front() {
			w := first.Value.(*waiter)
			if !b.fitsLocked(w.share, w.bytes) {
				return
			}
			b.grantLocked(w.share, w.bytes)
			b.queues[use].Remove(first)
			close(w.granted)
		}
	}
}

// fitsLocked reports whether the share may have n more bytes now.
func (b *Budget) fitsLocked(s *Share, n int64) bool {
	switch {
	case b.used[Body]+b.used[Answer]+n <= b.size:
		return s.use == Answer || b.used[Body]+n <= b.Largest()
	case s.use == Answer:
		return b.overdrawn == nil || b.overdrawn == s
	}
	return false
}

func (b *Budget) grantLocked(s *Share, n int64) {
	s.held += n
	b.used[s.use] += n
	if b.used[Body]+b.used[Answer] > b.size {
		b.overdrawn = s
	}
	if b.used[Body]+b.used[Answer]+b.spare.bytes > b.size {
		b.spare.clear()
	}
}

// complain logs, once a minute at most, that something found no room: refusals themselves are counters.
func (b *Budget) complain(ctx context.Context, use Use) {
	b.mu.Lock()
	body, answer, again := b.used[Body], b.used[Answer], time.Since(b.lastLine) >= time.Minute
	if again {
		b.lastLine = time.Now()
	}
	b.mu.Unlock()
	if again {
		b.log.LogAttrs(ctx, slog.LevelWarn, "the memory budget is used up: raise the pod's memory, or add pods",
			slog.String("refused", use.String()), slog.Int64("budget_bytes", b.size),
			slog.Int64("body_bytes", body), slog.Int64("answer_bytes", answer))
	}
}

// look returns the bytes that are used and the number of those who wait, for one use.
func (b *Budget) look(use Use) (used int64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used[use], b.queues[use].Len()
}
