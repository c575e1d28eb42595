// Package chain assembles the ways to the vendors: it builds every gate of every lane once, puts the gates in their
// order and sets the retry around them and the vendor behind them.
//
//	Chain.Do           the lane that serves the call, and where it goes when that fails   failover.go
//	llm.Caller.Do      retry: holds nothing while it sleeps                               llm/retry.go
//	  attempt          one try                                                            llm/call.go
//	    enter          queue timeout, then the gates in order                             llm/gate.go
//	      breaker      shared: fails fast while the vendor is down                        llm/breaker
//	      quota        shared: the vendor's contract, booked ahead                        llm/quota
//	      pacer        local: smooths bursts                                              llm/pacer.go
//	      share        local: the lane's calls in flight, where it has a limit            llm/share.go
//	      slots        local: calls in flight, of all lanes together                      llm/slots.go
//	    upstream.Vendor  call timeout, one HTTP exchange                                  llm/upstream
//
// A lane is what one contract covers: a vendor's address and key, a quota, a breaker, a pacer, a retry budget. The lane
// "default" is always there; config.go has its settings and those of further lanes, models.go which lane serves which
// model, lane.go how a lane is built.
//
// It is the only package that knows all of them. Only config, cmd/server and tests import it.
package chain

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Chain is all ways to the vendors. It is built once at start-up and safe for concurrent use.
type Chain struct {
	Slots *llm.Slots // of the pod: every lane's calls take them

	lanes     []*Lane                // the default one first
	failovers *prometheus.CounterVec // by the lane left, the lane tried next, and why
}

// New builds every part once.
func New(cfg Config, rdb *redisx.Client, log *slog.Logger, reg prometheus.Registerer) (*Chain, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Chain{failovers: telemetry.CounterVec("llm_failovers_total",
		"Calls that left a lane for its fallback, by both lanes and by what was wrong.", "from", "to", "reason")}
	var err error
	if c.Slots, err = llm.NewSlots(cfg.Slots, cfg.reserve(), reg); err != nil {
		return nil, err
	}
	p := parts{rdb: rdb, slots: c.Slots, log: log, reg: reg}
	for _, one := range cfg.lanes() {
		lane := &Lane{name: one.Name, models: one.Models, model: one.Model}
		c.lanes = append(c.lanes, lane) // also when it fails, so that Close ends what it has begun
		if err := lane.build(cfg, one.LaneConfig, p); err != nil {
			return nil, errors.Join(fmt.Errorf("lane %s: %w", one.Name, err), c.Close())
		}
	}
	for i, one := range cfg.lanes() {
		c.lanes[i].fallback = c.lane(one.Fallback)
	}
	return c, reg.Register(c.failovers)
}

// lane returns the lane of that name, nil when there is none.
func (c *Chain) lane(name string) *Lane {
	for _, lane := range c.lanes {
		if lane.name == name {
			return lane
		}
	}
	return nil
}

// Order names the gates that every call passes, outermost first.
func (c *Chain) Order() []string { return c.lanes[0].caller.Order() }

// Down is the time until a lane may be called again. It is 0 while one lane can be called now: what a call asks for is
// not known before its body is read.
func (c *Chain) Down() time.Duration {
	down := c.lanes[0].breaker.RetryAfter()
	for _, lane := range c.lanes[1:] {
		down = min(down, lane.breaker.RetryAfter())
	}
	return down
}

// Trouble names the lanes that are not called for now, and those whose key cannot be read; "" when all is well.
func (c *Chain) Trouble() string {
	var down []string
	for _, lane := range c.lanes {
		if trouble := lane.vendor.Trouble(); trouble != "" {
			down = append(down, "lane "+lane.name+": "+trouble)
		}
		if wait := lane.breaker.RetryAfter(); wait > 0 {
			down = append(down, fmt.Sprintf("calls of lane %s failed of late: its breaker is open for another %v",
				lane.name, wait.Round(time.Second)))
		}
	}
	return strings.Join(down, "; ")
}

// Close flushes what the gates still have to tell Redis and ends their goroutines. Calls must have ended before.
func (c *Chain) Close() error {
	var errs []error
	for _, lane := range c.lanes {
		errs = append(errs, lane.close())
	}
	return errors.Join(errs...)
}
