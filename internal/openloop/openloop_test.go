package openloop_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/openloop"
)

// The rate does not depend on how long the calls take, and Run returns after the last one.
func TestCallsComeAtTheirRate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rate        float64
		limit, want int
	}{
		"slow":                    {rate: 2, want: 19},
		"faster than its timer":   {rate: 1000, want: 9995},
		"at most three under way": {rate: 100, limit: 3, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				var calls, ended atomic.Int64
				openloop.Run(ctx, c.rate, c.limit, func(int) {
					calls.Add(1)
					time.Sleep(time.Minute)
					ended.Add(1)
				})
				if got := calls.Load(); got < int64(c.want)-1 || got > int64(c.want)+5 {
					t.Errorf("%d calls, want about %d", got, c.want)
				}
				if calls.Load() != ended.Load() {
					t.Errorf("%d of %d calls had returned when Run did", ended.Load(), calls.Load())
				}
			})
		})
	}
}

// Each call has a number of its own, in order from zero.
func TestCallsAreNumbered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var sum, calls atomic.Int64
		openloop.Run(ctx, 100, 0, func(n int) {
			calls.Add(1)
			sum.Add(int64(n))
		})
		if n := calls.Load(); n == 0 || sum.Load() != n*(n-1)/2 {
			t.Errorf("%d calls whose numbers make %d", n, sum.Load())
		}
	})
}
