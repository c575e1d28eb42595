package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// fanout prints how long a message takes to the last of many pods, and what it costs Redis. The breaker's new states
// and the vendor's pauses are sent in this way.
func fanout(ctx context.Context, w io.Writer) error {
	fmt.Fprintln(w, "| pods | until the last pod has the message, median | slowest of 100 | Redis, µs per message |\n"+
		"|---:|---:|---:|---:|")
	for _, pods := range []int{10, 100, 1000} {
		if err := fanoutTo(ctx, w, pods); err != nil {
			return fmt.Errorf("%d pods: %w", pods, err)
		}
	}
	return nil
}

func fanoutTo(ctx context.Context, w io.Writer, pods int) error {
	const messages, channel = 100, "llm:{vendor}:breaker:state"
	s, err := startRedis()
	if err != nil {
		return err
	}
	defer s.stop()
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), PoolSize: pods})
	defer rdb.Close()
	var received sync.WaitGroup // the pods that do not have the current message yet
	var readers sync.WaitGroup
	var subs []*redis.PubSub
	for range pods {
		sub := rdb.Subscribe(ctx, channel)
		if _, err := sub.Receive(ctx); err != nil {
			return err
		}
		subs = append(subs, sub)
		readers.Go(func() {
			for {
				m, err := sub.ReceiveMessage(ctx)
				if err != nil {
					return // closed
				}
				if m.Payload != "" {
					received.Done()
				}
			}
		})
	}
	before, err := s.usage(ctx)
	if err != nil {
		return err
	}
	var took []time.Duration
	for range messages {
		received.Add(pods)
		start := time.Now()
		if err := s.rdb.Publish(ctx, channel, "2 1760000000000 60000").Err(); err != nil {
			return err
		}
		received.Wait()
		took = append(took, time.Since(start))
	}
	after, err := s.usage(ctx)
	for _, sub := range subs {
		_ = sub.Close()
	}
	readers.Wait()
	slices.Sort(took)
	fmt.Fprintf(w, "| %d | %v | %v | %.0f |\n", pods, took[messages/2].Round(100*time.Microsecond),
		took[messages-1].Round(100*time.Microsecond),
		float64((after.cpu-before.cpu).Microseconds())/messages)
	return err
}
