package middleware

import (
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// refusedBuckets remembers which buckets Redis has found empty, and until when. That changes no decision: an empty
// bucket fills with time and by nothing else, so Redis would refuse until then too. A user who sends requests at full
// speed costs this pod a look into a map, and costs Redis and other users nothing. The zero value is ready; it is safe
// for concurrent use.
type refusedBuckets struct {
	mu    sync.Mutex
	until recent[refusedBucket, time.Time]
}

// refusedBucket is a bucket with the rate at which it fills. For a user who gets a better tier Redis is asked again.
type refusedBucket struct {
	key  string
	rate int
}

// known returns the answer that Redis would give at the time now, or nil when it has to be asked.
func (r *refusedBuckets) known(now time.Time, key string, limit redis_rate.Limit) *redis_rate.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.until.of(refusedBucket{key, limit.Rate}).Sub(now)
	if left <= 0 {
		return nil
	}
	return &redis_rate.Result{Limit: limit, RetryAfter: left}
}

// remember keeps an answer to a request that was sent at the time asked. Redis read its clock a little later, so the
// refusal ends here a little too early, and never too late.
func (r *refusedBuckets) remember(asked time.Time, key string, res *redis_rate.Result) {
	if res.Allowed > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until.set(asked, refusedBucket{key, res.Limit.Rate}, asked.Add(res.RetryAfter))
}
