package middleware

import (
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// localLimits counts users in this pod's memory while Redis is away, with the arithmetic of redis_rate: GCRA, a bucket
// of a minute's requests that fills evenly, and is full again, and can be forgotten, a minute after its last request.
// The zero value is ready; it is safe for concurrent use.
type localLimits struct {
	mu   sync.Mutex
	full recent[string, time.Time] // when each bucket is full again
}

// allow decides one request at the time now.
func (l *localLimits) allow(now time.Time, key string, limit redis_rate.Limit) *redis_rate.Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	res := gcra(now, l.full.of(key), limit)
	if res.Allowed > 0 {
		l.full.set(now, key, now.Add(res.ResetAfter))
	}
	return res
}

// gcra decides one request on a bucket that will be full again at full; a time before now means that it is full
// already.
func gcra(now, full time.Time, limit redis_rate.Limit) *redis_rate.Result {
	interval := limit.Period / time.Duration(limit.Rate)
	used := max(full.Sub(now), 0)
	left := time.Duration(limit.Burst)*interval - used - interval
	if left < 0 {
		return &redis_rate.Result{Limit: limit, RetryAfter: -left, ResetAfter: used}
	}
	return &redis_rate.Result{Limit: limit, Allowed: 1, Remaining: int(left / interval), RetryAfter: -1,
		ResetAfter: used + interval}
}
