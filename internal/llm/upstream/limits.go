package upstream

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// maxWait bounds what a vendor's header may ask for; a longer wait is a mistake or an attack.
const maxWait = time.Hour

// parseLimits reads the vendor's word on its limits from the response headers: Retry-After in seconds or as a date,
// retry-after-ms, and the remaining/reset pairs of OpenAI (x-ratelimit-…, durations such as 1m30s) and Anthropic
// (anthropic-ratelimit-…, times). Headers that make no sense are as good as absent.
func parseLimits(h http.Header, now time.Time) llm.Limits {
	l := llm.Limits{RetryAfter: retryAfter(h, now)}
	l.RemainingRequests, l.HasRequests = remaining(h, "X-Ratelimit-Remaining-Requests", "Anthropic-Ratelimit-Requests-Remaining")
	l.RemainingTokens, l.HasTokens = remaining(h, "X-Ratelimit-Remaining-Tokens", "Anthropic-Ratelimit-Tokens-Remaining")
	l.ResetRequests = reset(h, now, "X-Ratelimit-Reset-Requests", "Anthropic-Ratelimit-Requests-Reset")
	l.ResetTokens = reset(h, now, "X-Ratelimit-Reset-Tokens", "Anthropic-Ratelimit-Tokens-Reset")
	return l
}

func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, ok := number(first(h, "Retry-After-Ms")); ok {
		return wait(ms * float64(time.Millisecond))
	}
	value := first(h, "Retry-After")
	if value == "" {
		return 0
	}
	if s, ok := number(value); ok {
		return wait(s * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return wait(float64(at.Sub(now)))
	}
	return 0
}

func remaining(h http.Header, names ...string) (int, bool) {
	n, ok := number(first(h, names...))
	if !ok || n > math.MaxInt32 {
		return 0, false
	}
	return int(n), true
}

func reset(h http.Header, now time.Time, names ...string) time.Duration {
	value := first(h, names...)
	if value == "" {
		return 0
	}
	if s, ok := number(value); ok {
		return wait(s * float64(time.Second))
	}
	if d, err := time.ParseDuration(value); err == nil {
		return wait(float64(d))
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return wait(float64(at.Sub(now)))
	}
	return 0
}

// first returns the first of the canonical names that is there, trimmed.
func first(h http.Header, names ...string) string {
	for _, name := range names {
		if v := h[name]; len(v) > 0 {
			return strings.TrimSpace(v[0])
		}
	}
	return ""
}

func number(s string) (float64, bool) {
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && n >= 0 && !math.IsInf(n, 0)
}

// wait clamps a duration given in nanoseconds to 0…maxWait.
func wait(ns float64) time.Duration {
	return time.Duration(min(max(ns, 0), float64(maxWait)))
}
