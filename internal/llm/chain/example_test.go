package chain_test

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/breaker"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// The gates in the order in which a call passes them. Around them stands the retry, behind them the vendor.
func ExampleChain_Order() {
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	embedded, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	defer embedded.Close()
	rdb, err := redisx.New(redisx.Config{URL: "redis://" + embedded.Addr(), Budget: time.Second, Pool: 1}, log, reg)
	if err != nil {
		panic(err)
	}
	defer func() { _ = rdb.Close() }()
	caller, err := chain.New(chain.Config{
		Slots: 1, QueueTimeout: time.Second, CallTimeout: time.Second, StreamIdle: time.Second,
		LaneConfig: chain.LaneConfig{
			Vendor: upstream.Config{URL: "http://vendor.example/v1", ConnectTimeout: time.Second, MaxResponse: 1},
			Breaker: breaker.Config{Failures: 5, Window: time.Minute, Open: time.Minute, Successes: 2,
				Lease: time.Minute},
			Quota: quota.Config{Requests: 100, Window: time.Minute, Shares: 1},
		},
		Retry: llm.RetryConfig{Base: time.Second, MaxDelay: time.Second},
	}, rdb, log, reg)
	if err != nil {
		panic(err)
	}
	defer func() { _ = caller.Close() }()
	for _, gate := range caller.Order() {
		fmt.Println(gate)
	}
	// Output:
	// breaker
	// quota
	// pacer
	// slots
}
