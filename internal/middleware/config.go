package middleware

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Config holds the settings of the inbound layers.
type Config struct {
	// Time a buffered answer, or the first event of a stream, may take, with retries. STREAM_MAX bounds the stream.
	SLA time.Duration `split_words:"true" default:"60s" desc:"Time a buffered answer, or the first event of a stream, may take, with retries. STREAM_MAX bounds the stream."`
	// Requests inside this pod at most; more are refused at once.
	AdmissionMax int `split_words:"true" default:"200" desc:"Requests inside this pod at most; more are refused at once."`
	// Waiting calls that mean full pressure, 1.0.
	QueueMax int `split_words:"true" default:"100" desc:"Waiting calls that mean full pressure, 1.0."`
	// Pressure above which the lowest tier is shed.
	ShedFree float64 `split_words:"true" default:"0.7" desc:"Pressure above which the lowest tier is shed."`
	// Pressure above which all tiers but the highest are shed.
	ShedAll float64 `split_words:"true" default:"0.9" desc:"Pressure above which all tiers but the highest are shed."`
	// File with a line "<sha256 hex> <user> <tier>" for each API key; reloaded when it changes. Required.
	APIKeysFile string `split_words:"true" desc:"File with a line \"<sha256 hex> <user> <tier>\" for each API key; reloaded when it changes. Required."`
	// Requests per minute of one user, by tier. The order of the rates is the order of the tiers: the lowest is shed
	// first, the highest never.
	TierRates map[string]int `split_words:"true" default:"free:10,pro:100,enterprise:1000" desc:"Requests per minute of one user, by tier. The order of the rates is the order of the tiers: the lowest is shed first, the highest never."`
	// Requests of one user inside one pod at a time, by tier: those that wait, those under way, streams until their
	// end. A tier that is not named gets a share of SLOTS: the lowest 8 %, the highest 80 %, others 40 %, and 1 at
	// least. 0 is no limit; with it, or with SLOTS and more, one user can hold every slot.
	TierConcurrency map[string]int `split_words:"true" desc:"Requests of one user inside one pod at a time, by tier: those that wait, those under way, streams until their end. A tier that is not named gets a share of SLOTS: the lowest 8 %, the highest 80 %, others 40 %, and 1 at least. 0 is no limit; with it, or with SLOTS and more, one user can hold every slot."`

	// Longest Retry-After that callers' libraries may wait for by themselves. Above it the answer has X-Should-Retry:
	// false, because a program that waits for longer looks hung. 0 means that none may be waited for.
	RetryAfterMax time.Duration `split_words:"true" default:"15s" desc:"Longest Retry-After that callers' libraries may wait for by themselves. Above it the answer has X-Should-Retry: false, because a program that waits for longer looks hung. 0 means that none may be waited for."`
	// Tokens per minute of one user, by tier, as free:20000,pro:200000: prompt and answer, booked by estimate before
	// the call and corrected by what it used. Jobs count too. Empty, a tier that is not named, or 0 is no limit.
	TierTokens map[string]int `split_words:"true" desc:"Tokens per minute of one user, by tier, as free:20000,pro:200000: prompt and answer, booked by estimate before the call and corrected by what it used. Jobs count too. Empty, a tier that is not named, or 0 is no limit."`

	// Origins whose pages may call the service from a browser, such as https://app.example, or * for all. Empty allows
	// none.
	CORSOrigins []string `split_words:"true" desc:"Origins whose pages may call the service from a browser, such as https://app.example, or * for all. Empty allows none."`
	// Requests per minute of one user at one route, as /route:rate. Such a route counts in a bucket of its own, at the
	// lower of its and the tier's rate.
	EndpointRates map[string]int `split_words:"true" desc:"Requests per minute of one user at one route, as /route:rate. Such a route counts in a bucket of its own, at the lower of its and the tier's rate."`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.SLA <= 0, "SLA is %v: use a positive duration such as 60s", c.SLA)
	refuse(c.RetryAfterMax < 0, "RETRY_AFTER_MAX is %v: use 0 or a positive duration such as 15s", c.RetryAfterMax)
	refuse(c.AdmissionMax < 1, "ADMISSION_MAX is %d: use at least 1", c.AdmissionMax)
	refuse(c.QueueMax < 1, "QUEUE_MAX is %d: use at least 1", c.QueueMax)
	inOrder := 0 < c.ShedFree && c.ShedFree <= c.ShedAll && c.ShedAll <= 1
	refuse(!inOrder, "SHED_FREE is %v and SHED_ALL %v: use 0 < SHED_FREE <= SHED_ALL <= 1", c.ShedFree, c.ShedAll)
	refuse(len(c.TierRates) == 0, "TIER_RATES is empty: name at least one tier, as free:10")
	for _, tier := range slices.Sorted(maps.Keys(c.TierRates)) {
		refuse(tier == "" || strings.ContainsAny(tier, " \t#"), "TIER_RATES names the tier %q: use a word", tier)
		refuse(c.TierRates[tier] < 1, "TIER_RATES gives %s %d requests a minute: use at least 1", tier,
			c.TierRates[tier])
	}
	for _, tier := range slices.Sorted(maps.Keys(c.TierConcurrency)) {
		_, known := c.TierRates[tier]
		refuse(!known, "TIER_CONCURRENCY names the tier %q, which TIER_RATES does not have", tier)
		refuse(c.TierConcurrency[tier] < 0, "TIER_CONCURRENCY gives %s %d requests at a time: "+
			"use 1 or more, or 0 for no limit", tier, c.TierConcurrency[tier])
	}
	for _, tier := range slices.Sorted(maps.Keys(c.TierTokens)) {
		_, known := c.TierRates[tier]
		refuse(!known, "TIER_TOKENS names the tier %q, which TIER_RATES does not have", tier)
		refuse(c.TierTokens[tier] < 0, "TIER_TOKENS gives %s %d tokens a minute: use 1 or more, or 0 for no limit",
			tier, c.TierTokens[tier])
	}
	for _, origin := range c.CORSOrigins {
		sent, ok := asSent(origin)
		refuse(!ok, "CORS_ORIGINS has %q, which is no origin: use one such as https://app.example, or * for all",
			origin)
		refuse(ok && sent != origin, "CORS_ORIGINS has %q, which no browser sends: write %s", origin, sent)
	}
	for _, route := range slices.Sorted(maps.Keys(c.EndpointRates)) {
		refuse(c.EndpointRates[route] < 1, "ENDPOINT_RATES gives %s %d requests a minute: use at least 1", route,
			c.EndpointRates[route])
	}
	return errors.Join(errs...)
}

// rank is the place of a tier among the tiers.
type rank int

const (
	lowest  rank = iota // shed first, low priority
	middle              // also the only tier, when there is no other
	highest             // never shed, high priority
)

// HasHighest reports whether there is a tier above others, whose calls have high priority.
func (c Config) HasHighest() bool {
	for tier := range c.TierRates {
		if c.rank(tier) == highest {
			return true
		}
	}
	return false
}

// rank orders the tiers by their rates.
func (c Config) rank(tier string) rank {
	rate := c.TierRates[tier]
	low, high := rate, rate
	for _, other := range c.TierRates {
		low, high = min(low, other), max(high, other)
	}
	switch {
	case low == high:
		return middle
	case rate == high:
		return highest
	case rate == low:
		return lowest
	}
	return middle
}
