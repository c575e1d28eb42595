// Package openloop makes calls at a steady rate, whether or not earlier ones have returned, as a crowd of clients does.
// A closed loop, in which each client waits for its answer, slows down with the service and hides what a load does to
// it.
package openloop

import (
	"context"
	"sync"
	"time"
)

// step is how often the calls that are due are made. At high rates several are made at once, because timers are too
// coarse for one each.
const step = 5 * time.Millisecond

// Run calls each rate times a second with 0, 1, 2 and so on, each in a goroutine of its own, until ctx ends. It returns
// when the last call has returned. A call that is due while limit others are under way is left out; 0 is no limit.
func Run(ctx context.Context, rate float64, limit int, each func(n int)) {
	var underway sync.WaitGroup
	defer underway.Wait()
	var places chan struct{}
	if limit > 0 {
		places = make(chan struct{}, limit)
	}
	tick := time.NewTicker(step)
	defer tick.Stop()
	begin := time.Now()
	made := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(begin).Seconds() * rate); made < due; made++ {
			n := made
			if places == nil {
				underway.Go(func() { each(n) })
				continue
			}
			select {
			case places <- struct{}{}:
				underway.Go(func() { each(n); <-places })
			default:
			}
		}
	}
}
