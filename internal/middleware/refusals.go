package middleware

import (
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// refusals remembers which users Redis has refused, and until when. That changes no decision: a bucket that is empty
// now fills by itself and by nothing else, so Redis would say the same again until then. A user who goes on at full
// speed costs this pod a look into a map, and costs Redis and the requests of others nothing. The zero value is ready;
// it is safe for concurrent use.
type refusals struct {
	mu    sync.Mutex
	until recent[refused, time.Time]
}

// refused is a bucket with the rate at which it fills: a user who gets a better tier asks Redis again.
type refused struct {
	key  string
	rate int
}

// known returns the answer that Redis would give at the time now, or nil when it has to be asked.
func (r *refusals) known(now time.Time, key string, limit redis_rate.Limit) *redis_rate.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.until.of(refused{key, limit.Rate}).Sub(now)
	if left <= 0 {
		return nil
	}
	return &redis_rate.Result{Limit: limit, RetryAfter: left}
}

// remember takes note of an answer to a question that was asked at the given time. Redis looked at its clock a little
// later, so the user is let go a little too soon, and never too late.
func (r *refusals) remember(asked time.Time, key string, res *redis_rate.Result) {
	if res.Allowed > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until.set(asked, refused{key, res.Limit.Rate}, asked.Add(res.RetryAfter))
}
