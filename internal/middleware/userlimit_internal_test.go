package middleware

import (
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"

	"github.com/spillway-dev/spillway/internal/redisx"
)

// A Redis whose clock went back by an hour refuses no user for that hour.
func TestUserLimitSurvivesAClockThatWentBack(t *testing.T) {
	t.Parallel()
	clock, limiter := drivenLimiter(t)
	limit := redis_rate.PerMinute(10)
	clock.set(epoch)
	for range 10 {
		if res, err := redisx.AllowRate(t.Context(), limiter, "ada", limit); err != nil || res.Allowed != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	if res, err := redisx.AllowRate(t.Context(), limiter, "ada", limit); err != nil || res.Allowed != 0 {
		t.Fatalf("the bucket is used up: %+v, %v", res, err)
	}
	clock.set(epoch.Add(-time.Hour))
	for i := range 11 {
		res, err := redisx.AllowRate(t.Context(), limiter, "ada", limit)
		if err != nil || (res.Allowed == 1) != (i < 10) {
			t.Errorf("request %d after the clock went back: %+v, %v", i, res, err)
		}
	}
}
