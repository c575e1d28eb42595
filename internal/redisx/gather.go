package redisx

import (
	"runtime"
	"slices"
	"sync"
)

// Gather lets callers that come at the same moment share one round trip. The first caller yields the processor once, so
// that others which are ready can join, and sends all that have come: a busy pod sends much at a time, and a caller in
// a quiet pod waits for no other. When Limit round trips are under way, further callers gather until one ends: so a
// slow Redis gets fewer and larger batches, not more connections. Batches keep the order in which callers came.
//
// There is no goroutine and no timer behind it. It is safe for concurrent use.
type Gather[T any] struct {
	Limit int // round trips under way at a time; 0 counts as 1

	callers sync.Pool // of *caller[T]

	mu       sync.Mutex
	underWay int
	led      bool // a caller is about to send those that wait
	waiting  []*caller[T]
}

// maxBatch is the number of callers in one batch at most: Redis serves no other client meanwhile.
const maxBatch = 128

// role is what a caller that waited is told.
type role int

const (
	served role = iota // another caller has made the round trip
	leader             // it makes the round trip for those that wait
)

// caller is one caller in a batch. Callers are used again.
type caller[T any] struct {
	item  T
	told  chan role // buffered
	batch []*caller[T]
	items []T
}

// Join returns when send has returned for a batch with item in it. One of the batch's callers runs send; what send
// panics with is that caller's, and the others return.
func (g *Gather[T]) Join(item T, send func([]T)) {
	c, ok := g.callers.Get().(*caller[T])
	if !ok {
		c = &caller[T]{told: make(chan role, 1)}
	}
	c.item = item
	if !g.enter(c) && <-c.told == served {
		g.free(c)
		return
	}
	runtime.Gosched()
	g.take(c)
	defer g.finish(c)
	send(c.items)
}

// enter puts c among the callers that wait. It reports whether c leads the next batch at once; else c is told later.
func (g *Gather[T]) enter(c *caller[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, c)
	if g.led || g.underWay >= max(g.Limit, 1) {
		return false
	}
	g.led = true
	return true
}

// take makes a batch of those that wait. c, the first of them, leads it.
func (g *Gather[T]) take(c *caller[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxBatch)
	c.batch = append(c.batch[:0], g.waiting[:n]...)
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.underWay++
	g.led = false
	g.appointLocked()
	c.items = c.items[:0]
	for _, one := range c.batch {
		c.items = append(c.items, one.item)
	}
}

// finish ends the batch that c led.
func (g *Gather[T]) finish(c *caller[T]) {
	g.mu.Lock()
	g.underWay--
	g.appointLocked()
	g.mu.Unlock()
	for _, one := range c.batch[1:] {
		one.told <- served
	}
	clear(c.batch)
	clear(c.items)
	g.free(c)
}

// appointLocked makes the first of those that wait lead the next batch, if one may be sent.
func (g *Gather[T]) appointLocked() {
	if len(g.waiting) > 0 && !g.led && g.underWay < max(g.Limit, 1) {
		g.led = true
		g.waiting[0].told <- leader
	}
}

func (g *Gather[T]) free(c *caller[T]) {
	var none T
	c.item = none
	g.callers.Put(c)
}
