// Package chain assembles the way to the vendor: it builds every gate once, puts the gates in their order and sets the
// retry around them and the vendor behind them.
//
//	llm.Caller.Do        retry: holds nothing while it sleeps              llm/retry.go
//	  attempt            one try                                           llm/call.go
//	    enter            queue timeout, then the gates in order            llm/gate.go
//	      breaker        shared: fails fast while the vendor is down       llm/breaker
//	      quota          shared: the vendor's contract, booked ahead       llm/quota
//	      pacer          local: smooths bursts                             llm/pacer.go
//	      slots          local: calls in flight, waiters by priority       llm/slots.go
//	    upstream.Vendor  call timeout, one HTTP exchange                   llm/upstream
//
// It is the only package that knows all of them. Only config, cmd/server and tests import it.
package chain

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/breaker"
	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Config holds every setting of the way to the vendor.
type Config struct {
	Slots        int           `split_words:"true" default:"50" desc:"Vendor calls in flight in this pod at most."`
	QueueTimeout time.Duration `split_words:"true" default:"5s" desc:"Time a call may spend in the gates before it is rejected. Must be below SLA."`
	CallTimeout  time.Duration `split_words:"true" default:"30s" desc:"Time one vendor attempt may take; for a stream, the time to its first event."`
	StreamIdle   time.Duration `split_words:"true" default:"60s" desc:"Time a stream may pause between two events before it is cut."`
	StreamMax    time.Duration `split_words:"true" default:"10m" desc:"Time a whole stream may take before it is cut. 0 means no limit. SLA bounds a stream only up to its first event."`

	Vendor   upstream.Config
	Estimate llm.EstimateConfig
	Breaker  breaker.Config
	Quota    quota.Config
	Pacer    llm.PacerConfig
	Retry    llm.RetryConfig
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	errs := []error{
		c.Vendor.Validate(), c.Estimate.Validate(), c.Breaker.Validate(), c.Quota.Validate(), c.Pacer.Validate(),
		c.Retry.Validate(),
	}
	if c.Slots < 1 {
		errs = append(errs, fmt.Errorf("SLOTS is %d: use at least 1", c.Slots))
	}
	if c.Vendor.Pool != 0 && c.Vendor.Pool < c.Slots {
		errs = append(errs, fmt.Errorf("VENDOR_POOL (%d) is below SLOTS (%d): calls with a slot would queue for a connection; "+
			"raise the pool or leave it 0", c.Vendor.Pool, c.Slots))
	}
	durations := map[string]time.Duration{
		"QUEUE_TIMEOUT": c.QueueTimeout, "CALL_TIMEOUT": c.CallTimeout, "STREAM_IDLE": c.StreamIdle,
	}
	for name, d := range durations {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v: use a positive duration such as 5s", name, d))
		}
	}
	if c.StreamMax < 0 {
		errs = append(errs, fmt.Errorf("STREAM_MAX is %v: use 0 (no limit) or a positive duration such as 10m", c.StreamMax))
	}
	return errors.Join(errs...)
}

// Chain is the way to the vendor. Its gates are exposed for what watches them: shedding, readiness, autoscaling.
type Chain struct {
	*llm.Caller

	Breaker *breaker.Breaker
	Quota   *quota.Quota
	Pacer   *llm.Pacer
	Slots   *llm.Slots

	vendor *upstream.Vendor
}

// New builds every part once. The list of gates in it is the order in which a call passes them, outermost first.
func New(cfg Config, rdb *redisx.Client, log *slog.Logger, reg prometheus.Registerer) (*Chain, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Chain{}
	if err := c.build(cfg, rdb, log, reg); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	gates := []llm.NamedGate{
		llm.Named("breaker", c.Breaker),
		llm.Named("quota", c.Quota),
		llm.Named("pacer", c.Pacer),
		llm.Named("slots", c.Slots),
	}
	var err error
	c.Caller, err = llm.NewCaller(llm.CallerConfig{QueueTimeout: cfg.QueueTimeout, CallTimeout: cfg.CallTimeout, Retry: cfg.Retry}, gates, c.vendor, c.conditions, reg)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// build makes the vendor and the gates.
func (c *Chain) build(cfg Config, rdb *redisx.Client, log *slog.Logger, reg prometheus.Registerer) (err error) {
	times := upstream.Times{Call: cfg.CallTimeout, StreamIdle: cfg.StreamIdle, StreamMax: cfg.StreamMax}
	if c.vendor, err = upstream.New(cfg.Vendor, times, cfg.Slots, reg); err != nil {
		return err
	}
	name := c.vendor.Name()
	if c.Breaker, err = breaker.New(cfg.Breaker, rdb, name, log, reg); err != nil {
		return err
	}
	if c.Quota, err = quota.New(cfg.Quota, cfg.QueueTimeout, rdb, name, log, reg); err != nil {
		return err
	}
	if c.Pacer, err = llm.NewPacer(cfg.Pacer, reg); err != nil {
		return err
	}
	c.Slots, err = llm.NewSlots(cfg.Slots, reg)
	return err
}

// conditions are the pod's state as the retry sees it.
func (c *Chain) conditions() llm.Conditions {
	return llm.Conditions{
		BreakerOpen: c.Breaker.State() == breaker.Open,
		SlotUse:     float64(c.Slots.Used()) / float64(c.Slots.Size()),
	}
}

// Close flushes what the gates still have to tell Redis and ends their goroutines. Calls must have ended before.
func (c *Chain) Close() error {
	var errs []error
	if c.Quota != nil {
		errs = append(errs, c.Quota.Close())
	}
	if c.Breaker != nil {
		errs = append(errs, c.Breaker.Close())
	}
	if c.vendor != nil {
		c.vendor.Close()
	}
	return errors.Join(errs...)
}
