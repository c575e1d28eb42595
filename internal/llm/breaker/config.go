package breaker

import (
	"errors"
	"fmt"
	"time"
)

// Config sets when the vendor counts as down, and for how long.
type Config struct {
	// Failures in a row, over all pods, that open the breaker; the row must be longer on a busy vendor. More than half
	// of at least ten calls in BREAKER_WINDOW open it too. One user's failures alone open it only when no other user
	// calls, and those of two to four users only when fewer others call.
	Failures int `split_words:"true" default:"5" desc:"Failures in a row, over all pods, that open the breaker; the row must be longer on a busy vendor. More than half of at least ten calls in BREAKER_WINDOW open it too. One user's failures alone open it only when no other user calls, and those of two to four users only when fewer others call."`

	// Time over which calls and failures are counted.
	Window time.Duration `split_words:"true" default:"60s" desc:"Time over which calls and failures are counted."`
	// Time the breaker stays open before it lets a probe through. It doubles each time the probe fails, up to
	// BREAKER_OPEN_MAX.
	Open time.Duration `split_words:"true" default:"5s" desc:"Time the breaker stays open before it lets a probe through. It doubles each time the probe fails, up to BREAKER_OPEN_MAX."`
	// Longest time the breaker stays open before it lets a probe through. 0, or less than BREAKER_OPEN, means always
	// BREAKER_OPEN.
	OpenMax time.Duration `split_words:"true" default:"60s" desc:"Longest time the breaker stays open before it lets a probe through. 0, or less than BREAKER_OPEN, means always BREAKER_OPEN."`

	// Probes in a row that must succeed before the breaker closes.
	Successes int `split_words:"true" default:"2" desc:"Probes in a row that must succeed before the breaker closes."`
	// Time after which a probe whose pod has died is given to another. Above CALL_TIMEOUT plus QUEUE_TIMEOUT.
	Lease time.Duration `split_words:"true" default:"40s" desc:"Time after which a probe whose pod has died is given to another. Above CALL_TIMEOUT plus QUEUE_TIMEOUT."`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	atLeast := func(ok bool, name string, value, least any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %v: use at least %v", name, value, least))
		}
	}
	const shortest = 10 * time.Millisecond
	atLeast(c.Failures >= 1, "BREAKER_FAILURES", c.Failures, 1)
	atLeast(c.Window >= shortest, "BREAKER_WINDOW", c.Window, shortest)
	atLeast(c.Open >= shortest, "BREAKER_OPEN", c.Open, shortest)
	atLeast(c.OpenMax >= 0, "BREAKER_OPEN_MAX", c.OpenMax, 0)
	atLeast(c.Successes >= 1, "BREAKER_SUCCESSES", c.Successes, 1)
	atLeast(c.Lease >= shortest, "BREAKER_LEASE", c.Lease, shortest)
	return errors.Join(errs...)
}
