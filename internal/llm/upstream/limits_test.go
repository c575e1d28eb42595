package upstream

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

func TestParseLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		header map[string]string
		want   llm.Limits
	}{
		"none":     {},
		"seconds":  {map[string]string{"Retry-After": "3"}, llm.Limits{RetryAfter: 3 * time.Second}},
		"fraction": {map[string]string{"Retry-After": "0.5"}, llm.Limits{RetryAfter: 500 * time.Millisecond}},
		"date": {map[string]string{"Retry-After": now.Add(9 * time.Second).Format(http.TimeFormat)},
			llm.Limits{RetryAfter: 9 * time.Second}},
		"past date": {map[string]string{"Retry-After": now.Add(-time.Hour).Format(http.TimeFormat)},
			llm.Limits{}},
		"ms wins": {map[string]string{"Retry-After": "3", "retry-after-ms": "1500"},
			llm.Limits{RetryAfter: 1500 * time.Millisecond}},
		"negative": {map[string]string{"Retry-After": "-3"}, llm.Limits{}},
		"infinite": {map[string]string{"Retry-After": "1e999"}, llm.Limits{}},
		"nan":      {map[string]string{"Retry-After": "NaN"}, llm.Limits{}},
		"absurd":   {map[string]string{"Retry-After": "99999999999"}, llm.Limits{RetryAfter: longestWait}},
		"ten days": {map[string]string{"Retry-After": "864000"}, llm.Limits{RetryAfter: longestWait}},
		"a unit":   {map[string]string{"Retry-After": "5s"}, llm.Limits{RetryAfter: 5 * time.Second}},
		"a list":   {map[string]string{"Retry-After": "2, 5"}, llm.Limits{RetryAfter: 5 * time.Second}},
		"infinity": {map[string]string{"Retry-After": "Infinity"}, llm.Limits{}},
		"nonsense": {map[string]string{"Retry-After": "soon"}, llm.Limits{}},
		"epoch in s": {map[string]string{"Retry-After": epoch(now.Add(4*time.Second), time.Second)},
			llm.Limits{RetryAfter: 4 * time.Second}},
		"epoch in ms": {map[string]string{"Retry-After": epoch(now.Add(4*time.Second), time.Millisecond)},
			llm.Limits{RetryAfter: 4 * time.Second}},
		"past epoch": {map[string]string{"Retry-After": epoch(now.Add(-time.Hour), time.Second)}, llm.Limits{}},
		"epoch far ahead": {map[string]string{"Retry-After": epoch(now.Add(240*time.Hour), time.Second)},
			llm.Limits{RetryAfter: longestWait}},
		"reset is an epoch": {map[string]string{"X-RateLimit-Reset": epoch(now.Add(4*time.Second), time.Millisecond),
			"X-RateLimit-Remaining": "0"}, llm.Limits{HasRequests: true, ResetRequests: 4 * time.Second}},
		"a skewed clock": {map[string]string{"Date": now.Add(time.Hour).Format(http.TimeFormat),
			"Retry-After": now.Add(time.Hour + 2*time.Second).Format(http.TimeFormat)},
			llm.Limits{RetryAfter: 2 * time.Second}},
		"openai": {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s",
			"x-ratelimit-remaining-tokens": "12", "x-ratelimit-reset-tokens": "20ms"},
			llm.Limits{HasRequests: true, ResetRequests: 62 * time.Second, HasTokens: true, RemainingTokens: 12,
				ResetTokens: 20 * time.Millisecond}},
		"anthropic": {map[string]string{"anthropic-ratelimit-requests-remaining": "7",
			"anthropic-ratelimit-requests-reset": now.Add(time.Minute).Format(time.RFC3339)},
			llm.Limits{HasRequests: true, RemainingRequests: 7, ResetRequests: time.Minute}},
	} {
		h := http.Header{}
		for k, v := range tt.header {
			h.Set(k, v)
		}
		if got := parseLimits(h, now); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// epoch is t as a number of units since 1970.
func epoch(t time.Time, unit time.Duration) string {
	return strconv.FormatInt(t.UnixNano()/int64(unit), 10)
}

func FuzzParseLimits(f *testing.F) {
	f.Add("3", "1m", "0")
	f.Add("Fri, 02 Jan 2026 03:04:05 GMT", "2026-01-02T03:04:05Z", "1e400")
	f.Fuzz(func(t *testing.T, after, reset, remaining string) {
		l := parseLimits(http.Header{
			"Retry-After": {after}, "Retry-After-Ms": {remaining}, "X-Ratelimit-Reset-Requests": {reset},
			"X-Ratelimit-Remaining-Requests": {remaining}, "Anthropic-Ratelimit-Tokens-Reset": {reset},
		}, time.Unix(0, 0))
		for _, d := range []time.Duration{l.RetryAfter, l.ResetRequests, l.ResetTokens} {
			if d < 0 || d > longestWait {
				t.Fatalf("a wait of %v", d)
			}
		}
		if l.RemainingRequests < 0 {
			t.Fatalf("%d requests remaining", l.RemainingRequests)
		}
	})
}
