package llm

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/redisx"
)

// Config holds every setting of the way to the vendor.
type Config struct {
	Slots        int           `split_words:"true" default:"50" desc:"Vendor calls in flight in this pod at most."`
	QueueTimeout time.Duration `split_words:"true" default:"5s" desc:"Time a call may spend in the gates before it is rejected. Must be below SLA."`
	CallTimeout  time.Duration `split_words:"true" default:"30s" desc:"Time one vendor attempt may take; for a stream, the time to its first event."`
	StreamIdle   time.Duration `split_words:"true" default:"15s" desc:"Time a stream may pause between two events before it is cut."`

	Vendor  VendorConfig
	Breaker BreakerConfig
	Quota   QuotaConfig
	Pacer   PacerConfig
	Retry   RetryConfig
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	errs := []error{c.Vendor.Validate(), c.Breaker.Validate(), c.Quota.Validate(), c.Pacer.Validate(), c.Retry.Validate()}
	if c.Slots < 1 {
		errs = append(errs, fmt.Errorf("SLOTS is %d: use at least 1", c.Slots))
	}
	if c.Vendor.Pool != 0 && c.Vendor.Pool < c.Slots {
		errs = append(errs, fmt.Errorf("VENDOR_POOL (%d) is below SLOTS (%d): calls with a slot would queue for a connection; raise the pool or leave it 0", c.Vendor.Pool, c.Slots))
	}
	for name, d := range map[string]time.Duration{"QUEUE_TIMEOUT": c.QueueTimeout, "CALL_TIMEOUT": c.CallTimeout, "STREAM_IDLE": c.StreamIdle} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v: use a positive duration such as 5s", name, d))
		}
	}
	return errors.Join(errs...)
}

// Gates are the gates of a Caller. They are built by New and exposed for what watches them: shedding, readiness,
// autoscaling.
type Gates struct {
	Breaker *Breaker
	Quota   *Quota
	Pacer   *Pacer
	Slots   *Slots
}

// New builds the way to the vendor: every gate once, in order, outermost first.
func New(cfg Config, rdb *redisx.Client, log *slog.Logger, reg prometheus.Registerer) (*Caller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	c := &Caller{cfg: cfg, metrics: m}
	if c.vendor, err = NewVendor(cfg, reg); err != nil {
		return nil, err
	}
	name := c.vendor.Name()
	if c.Breaker, err = NewBreaker(cfg.Breaker, rdb, name, log, reg); err != nil {
		return nil, err
	}
	if c.Quota, err = NewQuota(cfg.Quota, cfg.QueueTimeout, rdb, name, log, reg); err != nil {
		return nil, errors.Join(err, c.Breaker.Close())
	}
	if c.Pacer, err = NewPacer(cfg.Pacer, reg); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if c.Slots, err = NewSlots(cfg.Slots, reg); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.gates = []namedGate{
		named("breaker", c.Breaker),
		named("quota", c.Quota),
		named("pacer", c.Pacer),
		named("slots", c.Slots),
	}
	c.retry = newRetry(cfg.Retry, c.conditions, m)
	return c, nil
}

// Order names the gates, outermost first.
func (c *Caller) Order() []string {
	var names []string
	for _, g := range c.gates {
		names = append(names, g.name)
	}
	return names
}

// Close flushes what the gates still have to tell Redis and ends their goroutines. Calls must have ended before.
func (c *Caller) Close() error {
	err := errors.Join(c.Quota.Close(), c.Breaker.Close())
	c.vendor.Close()
	return err
}
