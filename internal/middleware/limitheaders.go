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

// left is how many requests fit now. redis_rate says it too, but its script cuts off what floating point made of a
// whole number: after the first of 100 requests it says 98, for 98.9999. Redis keeps times to 10 µs; a request that
// fits within the next 100 µs fits now.
func left(res *redis_rate.Result) int {
	if res.Allowed == 0 {
		return 0
	}
	interval := res.Limit.Period.Seconds() / float64(res.Limit.Rate)
	return max(0, int(float64(res.Limit.Burst)-(res.ResetAfter.Seconds()-100e-6)/interval))
}

// tokenPolicy is the limit on tokens in the words of the same draft. Its unit is not one of the draft's own.
func tokenPolicy(limit int) string {
	return `"user-tokens";q=` + strconv.Itoa(limit) + `;w=` + strconv.Itoa(int(tokenWindow/time.Second)) +
		`;qu="tokens"`
}

// writeTokenLimits says how many tokens are left, behind what writeLimits has said of requests, and in three headers as
// vendors have them. The reset is when the bucket is full again, or, for a request that was limited, when it fits.
func writeTokenLimits(h http.Header, tier *tierTokens, ruling tokenRuling) {
	reset := ruling.full
	if !ruling.allowed {
		reset = ruling.wait
	}
	limit, seconds := strconv.Itoa(tier.limit), strconv.Itoa(int(math.Ceil(micros(reset).Seconds())))
	left := strconv.Itoa(tokensLeft(ruling.full, tier.limit))
	behind := func(name, value string) {
		if first := firstValue(h, name); first != "" {
			value = first + ", " + value
		}
		h[name] = []string{value}
	}
	behind("Ratelimit-Policy", tier.policy)
	behind("Ratelimit", `"user-tokens";r=`+left+`;t=`+seconds)
	h["X-Ratelimit-Limit-Tokens"] = []string{limit}
	h["X-Ratelimit-Remaining-Tokens"] = []string{left}
	h["X-Ratelimit-Reset-Tokens"] = []string{seconds}
}

// tokensLeft is how many tokens a bucket has that will be full again in a number of microseconds.
func tokensLeft(full int64, limit int) int {
	window := tokenWindow.Microseconds()
	return int(float64(max(0, window-full)) * float64(limit) / float64(window))
}
