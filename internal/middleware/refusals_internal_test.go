package middleware

import (
	"strconv"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"pgregory.net/rapid"
)

// For any arrivals a remembered refusal is what Redis would answer, and never lasts too long. The test drives the clock
// of the embedded Redis, which goes on during each command.
func TestKnownRefusalsAreRedissOwn(t *testing.T) {
	t.Parallel()
	clock, shared := drivenLimiter(t)
	run, known := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		key := strconv.Itoa(run)
		limit := redis_rate.PerMinute(rapid.IntRange(1, 200).Draw(rt, "rate"))
		var r refusedBuckets
		clock.set(epoch)
		way := time.Duration(rapid.IntRange(0, 50).Draw(rt, "ms to Redis")) * time.Millisecond
		for _, pause := range rapid.SliceOfN(rapid.IntRange(0, 2000), 1, 300).Draw(rt, "pauses in ms") {
			// Off the ties that floats decide by chance.
			clock.pass(time.Duration(pause)*time.Millisecond + 137*time.Microsecond)
			asked := clock.now
			got := r.known(asked, key, limit)
			if got == nil {
				clock.pass(way)
			} else {
				known++
			}
			want, err := shared.Allow(t.Context(), key, limit)
			if err != nil {
				rt.Fatal(err)
			}
			if got == nil {
				r.remember(asked, key, want)
				continue
			}
			if ahead := want.RetryAfter - got.RetryAfter; want.Allowed != 0 || left(got) != 0 ||
				ahead < -time.Millisecond || ahead > way+time.Millisecond {
				rt.Fatalf("after %v: known %+v, Redis says %+v", clock.now.Sub(epoch), got, want)
			}
		}
	})
	if known == 0 {
		t.Error("nothing was ever known")
	}
}

// A bucket of another user, or of the same at another rate, is another one.
func TestKnownRefusalsAreOfOneBucket(t *testing.T) {
	t.Parallel()
	var r refusedBuckets
	free, pro := redis_rate.PerMinute(10), redis_rate.PerMinute(100)
	r.remember(epoch, "ada", &redis_rate.Result{Limit: free, RetryAfter: 6 * time.Second})
	r.remember(epoch, "bob", &redis_rate.Result{Limit: free, Allowed: 1, RetryAfter: -1})
	for _, tt := range []struct {
		key   string
		limit redis_rate.Limit
		after time.Duration
		known bool
	}{
		{"ada", free, 0, true},
		{"ada", free, 5999 * time.Millisecond, true},
		{"ada", free, 6 * time.Second, false},
		{"ada", pro, 0, false},
		{"bob", free, 0, false},
		{"eve", free, 0, false},
	} {
		if got := r.known(epoch.Add(tt.after), tt.key, tt.limit); (got != nil) != tt.known {
			t.Errorf("%s at %d a minute, after %v: %+v", tt.key, tt.limit.Rate, tt.after, got)
		}
	}
}
