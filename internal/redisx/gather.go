package redisx

import (
	"runtime"
	"slices"
	"sync"
)

// Gather lets callers that arrive at the same moment share one round trip. The first caller yields the processor once,
// so that other goroutines that are ready can join. Then it sends the items of all of them. So a busy pod sends many
// items at a time, and a caller in a quiet pod waits for no other. When Limit round trips are under way, further
// callers wait until one ends: a slow Redis gets fewer and larger batches, not more connections. Batches keep the order
// of arrival.
//
// Gather has no goroutine and no timer. It is safe for concurrent use.
type Gather[T any] struct {
	Limit int // round trips under way at a time; 0 counts as 1

	callers sync.Pool // of *caller[T]

	mu       sync.Mutex
	underWay int
	led      bool // a caller is about to send the items of the waiting callers
	waiting  []*caller[T]
}

// maxBatch is the largest number of callers in one batch: Redis serves no other client until the batch is done.
const maxBatch = 128

// role is what a waiting caller becomes.
type role int

const (
	served role = iota // another caller has made the round trip
	leader             // this caller makes the round trip for all that wait
)

// caller is one caller in a batch. Values are reused.
type caller[T any] struct {
	item  T
	roles chan role // buffered; the end of a wait
	batch []*caller[T]
	items []T
}

// Join returns when send has returned for a batch that contains item. One of the batch's callers runs send. When send
// panics, that caller panics and the others return.
func (g *Gather[T]) Join(item T, send func([]T)) {
	c, ok := g.callers.Get().(*caller[T])
	if !ok {
		c = &caller[T]{roles: make(chan role, 1)}
	}
	c.item = item
	if !g.enter(c) && <-c.roles == served {
		g.free(c)
		return
	}
	runtime.Gosched()
	g.take(c)
	defer g.finish(c)
	send(c.items)
}

// enter adds c to the waiting callers. It reports whether c leads the next batch now; else c gets its role later.
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

// take makes a batch of the waiting callers. c, the first of them, leads it.
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
		one.roles <- served
	}
	clear(c.batch)
	clear(c.items)
	g.free(c)
}

// appointLocked makes the first waiting caller lead the next batch, if one may be sent.
func (g *Gather[T]) appointLocked() {
	if len(g.waiting) > 0 && !g.led && g.underWay < max(g.Limit, 1) {
		g.led = true
		g.waiting[0].roles <- leader
	}
}

func (g *Gather[T]) free(c *caller[T]) {
	var none T
	c.item = none
	g.callers.Put(c)
}
