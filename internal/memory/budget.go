// Package memory keeps the bytes of requests and answers in the pod within one budget, below the pod's memory limit.
//
//	budget.go   Budget: which share gets bytes
//	wait.go     waiting for bytes, and the refusal when none come in time
//	share.go    Share: the bytes of one body or one answer
//	reader.go   ReadAll: reads as the budget allows
//	block.go    Block: a body whose buffer is used again when the last holder has released it
//	spare.go    the buffers that are kept for reuse
//	config.go   settings
//	metrics.go  bytes in use, waiting shares, refusals
//
// Admission bounds the number of requests, not their size: two hundred requests of ten megabytes are two gigabytes.
// The budget is a semaphore in bytes. A body takes its declared length before it is read. An answer takes bytes as it
// is read: when the budget is full, the pod stops reading, the vendor stops sending, and the heap does not grow. Bytes
// that a slow client has not read yet stay counted.
//
// Two rules prevent a deadlock. Bodies leave a quarter of the budget to answers, and waiting answers go before waiting
// bodies: the call of an answer has been paid for. Only while a body of unknown length is copied to a larger buffer may
// it use what answers have left. And one answer at a time may exceed the budget, so that not all answers can be half
// read and wait for the rest.
package memory

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Use is the purpose of the bytes in a share.
type Use int

// The uses. Waiting answers go before waiting bodies.
const (
	Body   Use = iota // a request's body, until the request has ended
	Answer            // a vendor's answer, until the client has taken it
	uses
)

func (u Use) String() string { return [uses]string{"body", "answer"}[u] }

// ErrFull is the cause when the budget had no bytes in time.
var ErrFull = errors.New("the memory budget is used up")

// layer is the name of this layer in refusals.
const layer = "memory"

// Budget grants bytes to shares. A nil Budget grants everything. It is safe for concurrent use.
type Budget struct {
	size    int64
	wait    time.Duration // how long a body waits; an answer waits until its call ends
	metrics *metrics
	log     *slog.Logger

	mu        sync.Mutex
	used      [uses]int64
	overdrawn *Share          // the answer that exceeds the budget
	spare     spare           // buffers of finished requests
	queues    [uses]list.List // of *waiter
	logged    time.Time       // the last log line about a full budget
}

// Largest returns the size of the largest body that the budget can grant, in bytes.
func (b *Budget) Largest() int64 {
	if b == nil {
		return math.MaxInt64 - 1
	}
	return largestBody(b.size)
}

// largestBody is the size of the largest body in a budget of this size.
func largestBody(size int64) int64 { return size - size/4 }

// bodies is the part of the budget that bodies may use: the largest body, and the byte by which ReadAll sees its end.
func (b *Budget) bodies() int64 { return b.Largest() + 1 }

// total returns the size of the budget, in bytes.
func (b *Budget) total() int64 {
	if b == nil {
		return math.MaxInt64
	}
	return b.size
}

// take gives n more bytes to the share. It waits for them until ctx ends.
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
		b.logFull(ctx, s.use)
	}
	return err
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

// serveLocked grants bytes to waiting shares: answers first, each queue in its order.
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

// fitsLocked reports whether the share may have n more bytes now. What a body holds already does not count in the part
// of the bodies: it is copied, and given back at once.
func (b *Budget) fitsLocked(s *Share, n int64) bool {
	switch {
	case b.used[Body]+b.used[Answer]+n <= b.size:
		return s.use == Answer || b.used[Body]-s.held+n <= b.bodies()
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

// look returns the bytes in use and the number of waiting shares, for one use.
func (b *Budget) look(use Use) (used int64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used[use], b.queues[use].Len()
}
