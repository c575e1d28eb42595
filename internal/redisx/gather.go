package redisx

import (
	"runtime"
	"slices"
	"sync"
)

// Gather lets callers that come together share one round trip. Whoever comes first lets everybody run who can, and takes
// along all who have come meanwhile: a busy pod sends much at a time, and a caller in a quiet one waits for nobody. When
// Limit round trips are under way, further callers gather until one ends: so a slow Redis gets fewer and larger batches,
// not more connections. Batches keep the order in which callers came.
//
// There is no goroutine and no timer behind it. It is safe for concurrent use.
type Gather[T any] struct {
	Limit int // round trips under way at a time; 0 counts as 1

	places sync.Pool

	mu      sync.Mutex
	flying  int
	led     bool // somebody is about to take those who wait
	waiting []*place[T]
}

// maxTogether is the number of callers in one batch at most: Redis serves nobody else meanwhile.
const maxTogether = 128

// place is that of one caller in a batch. Places are used again.
type place[T any] struct {
	item  T
	turn  chan bool // true: lead the next batch; false: the round trip is over
	batch []*place[T]
	items []T
}

// Join returns when send has returned for a batch with item in it. One of the batch's callers runs send; what send
// panics with is that caller's, and the others return.
func (g *Gather[T]) Join(item T, send func([]T)) {
	p, ok := g.places.Get().(*place[T])
	if !ok {
		p = &place[T]{turn: make(chan bool, 1)}
	}
	p.item = item
	if g.wait(p) && !<-p.turn {
		g.free(p)
		return
	}
	runtime.Gosched()
	g.take(p)
	defer g.land(p)
	send(p.items)
}

// wait puts p among those who wait, and tells whether somebody else will say when they go.
func (g *Gather[T]) wait(p *place[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, p)
	if g.led || g.flying >= max(g.Limit, 1) {
		return true
	}
	g.led = true
	return false
}

// take makes a batch of those who wait. p, their first, leads it.
func (g *Gather[T]) take(p *place[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxTogether)
	p.batch = append(p.batch[:0], g.waiting[:n]...)
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.flying++
	g.led = false
	g.follow()
	p.items = p.items[:0]
	for _, one := range p.batch {
		p.items = append(p.items, one.item)
	}
}

// land ends the batch that p led.
func (g *Gather[T]) land(p *place[T]) {
	g.mu.Lock()
	g.flying--
	g.follow()
	g.mu.Unlock()
	for _, one := range p.batch[1:] {
		one.turn <- false // buffered
	}
	clear(p.batch)
	clear(p.items)
	g.free(p)
}

// follow has the first of those who wait lead the next batch, if it may go. The caller holds mu.
func (g *Gather[T]) follow() {
	if len(g.waiting) > 0 && !g.led && g.flying < max(g.Limit, 1) {
		g.led = true
		g.waiting[0].turn <- true // buffered
	}
}

func (g *Gather[T]) free(p *place[T]) {
	var none T
	p.item = none
	g.places.Put(p)
}
