package middleware

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// policyHeader is the rate in the words of draft-ietf-httpapi-ratelimit-headers: so many requests in so many seconds.
func policyHeader(limit redis_rate.Limit) []string {
	return []string{`"user";q=` + strconv.Itoa(limit.Rate) + `;w=` + strconv.Itoa(int(limit.Period/time.Second))}
}

// writeLimits says how much is left, in the draft's two headers and in the three older ones that many clients read. The
// reset is when the bucket is full again, or, for a request that was limited, when the next one fits, which is what its
// Retry-After says as well.
func writeLimits(h http.Header, policy []string, res *redis_rate.Result) {
	reset := res.ResetAfter
	if res.Allowed == 0 {
		reset = res.RetryAfter
	}
	remaining, seconds := strconv.Itoa(left(res)), strconv.Itoa(int(math.Ceil(reset.Seconds())))
	values := [...]string{
		`"user";r=` + remaining + `;t=` + seconds,
		strconv.Itoa(res.Limit.Rate), remaining, seconds,
	}
	v := values[:] // one array for all: a slice for each would be an allocation for each
	h["Ratelimit-Policy"] = policy
	h["Ratelimit"] = v[0:1:1]
	h["X-Ratelimit-Limit"] = v[1:2:2]
	h["X-Ratelimit-Remaining"] = v[2:3:3]
	h["X-Ratelimit-Reset"] = v[3:4:4]
}

// left is how many requests fit now. redis_rate says it too, but its script cuts off what floating point made of a whole
// number: after the first of 100 requests it says 98, for 98.9999. Redis keeps times to 10 µs; a request that fits within the
// next 100 µs fits now.
func left(res *redis_rate.Result) int {
	if res.Allowed == 0 {
		return 0
	}
	interval := res.Limit.Period.Seconds() / float64(res.Limit.Rate)
	return max(0, int(float64(res.Limit.Burst)-(res.ResetAfter.Seconds()-100e-6)/interval))
}
