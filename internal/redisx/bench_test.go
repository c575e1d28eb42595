package redisx

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// book is a typical command of a layer: a small script with two keys.
var book = redis.NewScript("return {redis.call('INCR', KEYS[1]), redis.call('INCR', KEYS[2])}")

// BenchmarkDo compares the ways of a command to Redis, for several numbers of callers. The CPU time is that of this
// process, without the server. Noise on the machine changes it less than other figures.
func BenchmarkDo(b *testing.B) {
	for _, callers := range []int{1, 2, 4, 8, 16, 32, 64} {
		for _, way := range []string{"connection", "shared"} {
			b.Run("callers="+strconv.Itoa(callers)+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				run := benchWay(b, way)
				var left atomic.Int64
				left.Store(int64(b.N))
				took := make([]time.Duration, b.N)
				var wg sync.WaitGroup
				cpu := cpuTime(b)
				b.ResetTimer()
				for range callers {
					wg.Go(func() {
						for i := left.Add(-1); i >= 0; i = left.Add(-1) {
							start := time.Now()
							if err := run(); err != nil {
								b.Error(err)
								return
							}
							took[i] = time.Since(start)
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				report(b, took, cpuTime(b)-cpu)
			})
		}
	}
}

func benchWay(b *testing.B, way string) func() error {
	b.Helper()
	c := open(b, Config{URL: redistest.Start(b).URL(), Budget: time.Second})
	keys := []string{"llm:{v}:a", "llm:{v}:b"}
	f := func(ctx context.Context, r redis.Cmdable) error { return book.Run(ctx, r, keys).Err() }
	_ = c.Do(b.Context(), f)
	if way == "connection" {
		return func() error { return f(b.Context(), c.rdb) }
	}
	return func() error { return c.Do(b.Context(), f) }
}

func report(b *testing.B, took []time.Duration, cpu time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(cpu.Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
