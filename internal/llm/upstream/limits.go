package upstream

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// longestWait bounds what a vendor may ask for; a longer wait is a mistake or an attack.
const longestWait = time.Hour

// parseLimits reads what the headers of an answer say about the vendor's limits: Retry-After and retry-after-ms, and
// the remaining/reset pairs of OpenAI, of Anthropic, and of OpenRouter, which has one pair. Values that make no sense
// are ignored. now is this pod's time. Times of day are compared with the answer's own Date, if there is one, because
// the vendor's clock and this pod's may differ.
func parseLimits(h http.Header, now time.Time) llm.Limits {
	if date, err := http.ParseTime(header(h, "Date")); err == nil {
		now = date
	}
	l := llm.Limits{RetryAfter: parseWait(header(h, "Retry-After-Ms"), time.Millisecond, now)}
	if l.RetryAfter == 0 {
		l.RetryAfter = parseWait(header(h, "Retry-After"), time.Second, now)
	}
	l.RemainingRequests, l.HasRequests = remaining(header(h,
		"X-Ratelimit-Remaining-Requests", "Anthropic-Ratelimit-Requests-Remaining", "X-Ratelimit-Remaining"))
	l.RemainingTokens, l.HasTokens = remaining(header(h,
		"X-Ratelimit-Remaining-Tokens", "Anthropic-Ratelimit-Tokens-Remaining"))
	l.ResetRequests = parseWait(header(h,
		"X-Ratelimit-Reset-Requests", "Anthropic-Ratelimit-Requests-Reset", "X-Ratelimit-Reset"), time.Second, now)
	l.ResetTokens = parseWait(header(h, "X-Ratelimit-Reset-Tokens", "Anthropic-Ratelimit-Tokens-Reset"), time.Second,
		now)
	return l
}

// header returns the values of the first of these headers that the answer has, as one list. Names are canonical.
func header(h http.Header, names ...string) string {
	for _, name := range names {
		switch values := h[name]; len(values) {
		case 0:
		case 1:
			return strings.TrimSpace(values[0])
		default:
			return strings.Join(values, ",")
		}
	}
	return ""
}

// remaining reads how many requests or tokens are left.
func remaining(value string) (int, bool) {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0 && n <= math.MaxInt32) {
		return 0, false
	}
	return int(n), true
}

// parseWait reads how long to wait, in any of the ways in which vendors say it: a number of units, a duration with
// its own units such as 1m2.5s, a time as RFC 9110 or RFC 3339 has it, or an epoch. Of a list the longest wait
// counts. The result is from 0 to longestWait, where 0 also stands for nonsense and for times that have passed.
func parseWait(value string, unit time.Duration, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if at, err := http.ParseTime(value); err == nil { // before the list: such a time has a comma
		return bounded(at.Sub(now))
	}
	longest := time.Duration(0)
	for one := range strings.SplitSeq(value, ",") {
		longest = max(longest, parseOneWait(strings.TrimSpace(one), unit, now))
	}
	return longest
}

func parseOneWait(value string, unit time.Duration, now time.Time) time.Duration {
	if n, err := strconv.ParseFloat(value, 64); err == nil {
		return numericWait(n, unit, now)
	}
	if d, err := time.ParseDuration(value); err == nil {
		return bounded(d)
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return bounded(at.Sub(now))
	}
	return 0
}

// Numbers from these on are an epoch, because as a wait they would be decades.
const (
	epochSeconds = 1e9
	epochMillis  = 1e12
)

func numericWait(n float64, unit time.Duration, now time.Time) time.Duration {
	switch {
	case !(n > 0) || math.IsInf(n, 0):
		return 0
	case n >= epochMillis && n < 10*epochMillis:
		return bounded(time.UnixMilli(int64(n)).Sub(now))
	case n >= epochSeconds && n < 10*epochSeconds && unit == time.Second:
		return bounded(time.Unix(int64(n), 0).Sub(now))
	}
	return time.Duration(min(n*float64(unit), float64(longestWait)))
}

// bounded is d, but neither negative nor longer than longestWait.
func bounded(d time.Duration) time.Duration { return min(max(d, 0), longestWait) }
