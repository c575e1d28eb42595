package main

import (
	"context"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// startRedis runs an embedded Redis, which can run the service's Lua scripts. Its clock for the expiry of keys moves
// only when moveClock moves it.
func startRedis(_ context.Context, cleanup *closers) (string, error) {
	embedded := miniredis.NewMiniRedis()
	if err := embedded.StartAddr("127.0.0.1:0"); err != nil {
		return "", err
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { moveClock(embedded, stop) })
	cleanup.add("embedded redis", time.Second, func(context.Context) error {
		close(stop)
		running.Wait()
		embedded.Close()
		return nil
	})
	return "redis://" + embedded.Addr(), nil
}

// moveClock moves the clock of the embedded Redis until stop is closed.
func moveClock(embedded *miniredis.Miniredis, stop <-chan struct{}) {
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
