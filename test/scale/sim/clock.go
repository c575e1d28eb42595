package sim

import "container/heap"

// micros is a virtual time or duration, in whole microseconds.
type micros = int64

// epoch is the beginning of virtual time. It is as large as a real time of today, because the script computes with it.
const epoch micros = 1_760_000_000_000_000

// clock is virtual time with its future events. Events of the same time happen in the order in which they were planned,
// so that a run depends only on its seed.
type clock struct {
	now     micros
	planned uint64
	events  events
}

// after plans f for the time d from now.
func (c *clock) after(d micros, f func()) { c.at(c.now+d, f) }

// at plans f for the time t, or for now when t has passed.
func (c *clock) at(t micros, f func()) {
	c.planned++
	heap.Push(&c.events, event{max(t, c.now), c.planned, f})
}

// run runs all events until end.
func (c *clock) run(end micros) {
	for len(c.events) > 0 && c.events[0].at < end {
		e := heap.Pop(&c.events).(event)
		c.now = e.at
		e.do()
	}
	c.now = end
}

type event struct {
	at    micros
	order uint64
	do    func()
}

// events is a heap, the earliest event first.
type events []event

func (e events) Len() int { return len(e) }

func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}

func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

func (e *events) Push(x any) { *e = append(*e, x.(event)) }

func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}
