package middleware

import (
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// localLimits counts users in this pod's memory while Redis is away, with the arithmetic of redis_rate: GCRA, a bucket of
// a minute's requests that fills evenly. The zero value is ready; it is safe for concurrent use.
//
// A bucket is full again a minute after its last request and can then be forgotten, so two maps are kept, one for the
// present minute and one for the past, and nothing is ever swept.
type localLimits struct {
	mu    sync.Mutex
	began time.Time            // of the present minute
	now   map[string]time.Time // when each bucket is full again
	past  map[string]time.Time
}

// maxLocal bounds each map. Users come from the key file, so it is reached only by a very large one; the minute is then cut
// short, in favour of the users.
const maxLocal = 100_000

// allow decides one request at the time now.
func (l *localLimits) allow(now time.Time, key string, limit redis_rate.Limit) *redis_rate.Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnLocked(now)
	full, known := l.now[key]
	if !known {
		full = l.past[key]
	}
	res := gcra(now, full, limit)
	if res.Allowed > 0 {
		l.now[key] = now.Add(res.ResetAfter)
	}
	return res
}

func (l *localLimits) turnLocked(now time.Time) {
	if age := now.Sub(l.began); age >= time.Minute || len(l.now) >= maxLocal {
		l.past, l.now, l.began = l.now, map[string]time.Time{}, now
	}
}

// gcra decides one request on a bucket that will be full again at full; a time before now means that it is full already.
func gcra(now, full time.Time, limit redis_rate.Limit) *redis_rate.Result {
	interval := limit.Period / time.Duration(limit.Rate)
	used := max(full.Sub(now), 0)
	left := time.Duration(limit.Burst)*interval - used - interval
	if left < 0 {
		return &redis_rate.Result{Limit: limit, RetryAfter: -left, ResetAfter: used}
	}
	return &redis_rate.Result{Limit: limit, Allowed: 1, Remaining: int(left / interval), RetryAfter: -1, ResetAfter: used + interval}
}
