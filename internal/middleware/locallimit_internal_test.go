package middleware

import (
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-redis/redis_rate/v10"
	"pgregory.net/rapid"
)

// Redis and the pod decide alike, for any arrivals. The test drives the clock of the embedded Redis.
func TestLocalLimitDecidesLikeRedis(t *testing.T) {
	t.Parallel()
	clock, shared := drivenLimiter(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		key := strconv.Itoa(run)
		limit := redis_rate.PerMinute(rapid.IntRange(1, 200).Draw(rt, "rate"))
		interval := limit.Period / time.Duration(limit.Rate)
		const tie = 200 * time.Microsecond // so near to a whole number of requests floats decide by chance
		var local localLimits
		clock.set(epoch)
		for _, pause := range rapid.SliceOfN(rapid.IntRange(1, 20_000), 1, 60).Draw(rt, "pauses in ms") {
			clock.pass(time.Duration(pause) * time.Millisecond)
			if used := local.full.of(key).Sub(clock.now); used > 0 && (used+tie)%interval < 2*tie {
				clock.pass(2 * tie)
			}
			want, err := shared.Allow(t.Context(), key, limit)
			if err != nil {
				rt.Fatal(err)
			}
			got := local.allow(clock.now, key, limit)
			if got.Allowed != want.Allowed || left(got) != left(want) || left(got) != got.Remaining ||
				(got.RetryAfter-want.RetryAfter).Abs() > time.Millisecond ||
				(got.ResetAfter-want.ResetAfter).Abs() > time.Millisecond {
				rt.Fatalf("after %v: got %+v, Redis says %+v", clock.now.Sub(epoch), got, want)
			}
		}
	})
}

// redisClock is the clock of an embedded Redis.
type redisClock struct {
	server *miniredis.Miniredis
	now    time.Time
}

// drivenLimiter is redis_rate on an embedded Redis whose clock the test drives.
func drivenLimiter(t *testing.T) (*redisClock, *redis_rate.Limiter) {
	t.Helper()
	clock, rdb := drivenRedis(t)
	return clock, redis_rate.NewLimiter(rdb)
}

func (c *redisClock) set(now time.Time) {
	c.now = now
	c.server.SetTime(now)
}

func (c *redisClock) pass(d time.Duration) {
	c.server.FastForward(d)
	c.set(c.now.Add(d))
}

// A user may have any name: the bucket is no other user's.
func TestBucketsAreTheirUsersAlone(t *testing.T) {
	t.Parallel()
	u := &UserLimit{endpoints: map[tierRoute]userRate{{"free", "/llm"}: {}}}
	seen := map[string]string{}
	for _, user := range []string{"ann", "ann:/llm", "/llm:ann", ":/llm", ""} {
		for _, route := range []string{"/llm", "/other"} {
			_, bucket := u.bucket(&Info{User: user, Tier: "free"}, route)
			if other, taken := seen[bucket]; taken {
				t.Errorf("%q at %s shares the bucket %q with %s", user, route, bucket, other)
			}
			seen[bucket] = user + " at " + route
		}
	}
}

func TestLocalLimitForgetsWhatIsFullAgain(t *testing.T) {
	t.Parallel()
	var l localLimits
	limit := redis_rate.PerMinute(1)
	for i := range 3 * maxRecent { // far more users than there is room for, all at once
		l.allow(epoch, strconv.Itoa(i), limit)
		if n := len(l.full.now) + len(l.full.past); n > 2*maxRecent {
			t.Fatalf("%d buckets are kept", n)
		}
	}
	l.allow(epoch.Add(time.Minute), "ada", limit)
	l.allow(epoch.Add(2*time.Minute), "ada", limit)
	if n := len(l.full.now) + len(l.full.past); n != 2 {
		t.Errorf("%d buckets are kept after two minutes", n)
	}
}
