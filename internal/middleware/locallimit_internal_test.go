package middleware

import (
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// A user must not notice whether Redis or the pod counts: for any arrivals both decide alike. The clock of the embedded
// Redis is driven here.
func TestLocalLimitDecidesLikeRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	shared := redis_rate.NewLimiter(rdb)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		key := strconv.Itoa(run)
		limit := redis_rate.PerMinute(rapid.IntRange(1, 200).Draw(rt, "rate"))
		var local localLimits
		now := epoch
		server.SetTime(now)
		for _, pause := range rapid.SliceOfN(rapid.IntRange(1, 20_000), 1, 60).Draw(rt, "pauses in ms") {
			d := time.Duration(pause)*time.Millisecond + 137*time.Microsecond // off the ties that floats decide by chance
			now = now.Add(d)
			server.FastForward(d)
			server.SetTime(now)
			want, err := shared.Allow(t.Context(), key, limit)
			if err != nil {
				rt.Fatal(err)
			}
			got := local.allow(now, key, limit)
			if got.Allowed != want.Allowed || left(got) != left(want) || left(got) != got.Remaining ||
				(got.RetryAfter-want.RetryAfter).Abs() > time.Millisecond || (got.ResetAfter-want.ResetAfter).Abs() > time.Millisecond {
				rt.Fatalf("after %v: got %+v, Redis says %+v", now.Sub(epoch), got, want)
			}
		}
	})
}

func TestLocalLimitForgetsWhatIsFullAgain(t *testing.T) {
	t.Parallel()
	var l localLimits
	limit := redis_rate.PerMinute(1)
	for i := range 3 * maxMoments { // far more users than there is room for, all at once
		l.allow(epoch, strconv.Itoa(i), limit)
		if n := len(l.full.now) + len(l.full.past); n > 2*maxMoments {
			t.Fatalf("%d buckets are kept", n)
		}
	}
	l.allow(epoch.Add(time.Minute), "ada", limit)
	l.allow(epoch.Add(2*time.Minute), "ada", limit)
	if n := len(l.full.now) + len(l.full.past); n != 2 {
		t.Errorf("%d buckets are kept after two minutes", n)
	}
}
