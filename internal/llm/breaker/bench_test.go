package breaker

import (
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

func BenchmarkBreaker(b *testing.B) {
	closed := newPodBreaker(b, slowBreaker(), redisx.Config{URL: redistest.Start(b).URL()})
	open := newPodBreaker(b, slowBreaker(), redisx.Config{URL: redistest.Start(b).URL()})
	fail(b, open)
	awaitState(b, Open, open)
	call := newCall()
	b.Run("closed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			leave, _ := closed.Enter(b.Context(), call)
			leave(success)
		}
	})
	b.Run("closed parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				leave, _ := closed.Enter(b.Context(), call)
				leave(success)
			}
		})
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = open.Enter(b.Context(), call)
		}
	})
}

// How long another pod takes to learn of a transition. A figure to look at, never asserted.
func BenchmarkAgreement(b *testing.B) {
	url := redistest.Start(b).URL()
	cfg := slowBreaker()
	one, other := newPodBreaker(b, cfg, redisx.Config{URL: url}), newPodBreaker(b, cfg, redisx.Config{URL: url})
	var worst time.Duration
	rdb := one.sync.rdb.Redis()
	for b.Loop() {
		b.StopTimer()
		ok(b, rdb.Del(b.Context(), one.sync.key).Err())
		for _, p := range []*Breaker{one, other} {
			p.sync.mu.Lock()
			p.snapshot.Store(p.newSnapshot(reply{}, time.Now(), true))
			p.sync.mu.Unlock()
		}
		b.StartTimer()
		start := time.Now()
		fail(b, one)
		await.True(b, "both know", func() bool { return one.State() == Open && other.State() == Open })
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(worst.Seconds()*1e3, "worst-ms")
}
