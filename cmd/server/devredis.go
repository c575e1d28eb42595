package main

import (
	"context"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// startRedis runs an embedded Redis that knows the same Lua scripts. Its clock for expiry stands still unless it is
// told that time has passed.
func startRedis(_ context.Context, cleanup *closers) (string, error) {
	embedded := miniredis.NewMiniRedis()
	if err := embedded.StartAddr("127.0.0.1:0"); err != nil {
		return "", err
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { tell(embedded, stop) })
	cleanup.add("embedded redis", time.Second, func(context.Context) error {
		close(stop)
		running.Wait()
		embedded.Close()
		return nil
	})
	return "redis://" + embedded.Addr(), nil
}

// tell tells the embedded Redis the time, until stop.
func tell(embedded *miniredis.Miniredis, stop <-chan struct{}) {
	const step = 100 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			embedded.FastForward(step)
		case <-stop:
			return
		}
	}
}
