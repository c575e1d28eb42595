// Package chain assembles the ways to the vendors: it builds every gate of every lane once, puts the gates in their
// order, and puts the retry around them and the vendor behind them.
//
//	Chain.Do             chooses the lane, and its fallback when the lane fails        choose.go, failover.go
//	  llm.Caller.Do      retries; holds nothing while it sleeps                        llm/caller.go, llm/retry.go
//	    attempt          one try                                                       llm/caller.go
//	      enter          queue timeout, then the gates in the order of lane.go         llm/gate.go
//	        breaker      shared: fails fast while the vendor is down                   llm/breaker
//	        quota        shared: the vendor's contract, booked ahead                   llm/quota
//	        pacer        local: smooths bursts                                         llm/pacer.go
//	        share        local: the lane's calls in flight, where it has a limit       llm/share.go
//	        slots        local: calls in flight, of all lanes together                 llm/slots.go
//	      Vendor.Send    call timeout, one HTTP exchange                               llm/upstream
//
// A lane is what one contract covers: a vendor's address and key, a quota, a breaker, a pacer, a retry budget. The lane
// "default" always exists.
//
//	lane.go        how a lane is built, and the list of its gates
//	config.go      settings of the default lane and of further ones; validate.go
//	models.go      patterns of models, and the model that a fallback is asked for
//	endpoints.go   which lane has which endpoint
//	catalogue.go   GET /v1/models: the lists of all lanes; modellist.go keeps the list of one
//
// This is the only package that knows all of these parts. Only config, cmd/server and tests import it.
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
	Slots *llm.Slots // of the pod: the calls of every lane take them

	lanes     []*lane                // the default one first
	failovers *prometheus.CounterVec // by the lane left, the lane tried next, and the reason
}

// New builds every lane. It is called once, at start-up.
func New(cfg Config, rdb *redisx.Client, log *slog.Logger, reg prometheus.Registerer) (*Chain, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Chain{failovers: telemetry.CounterVec("llm_failovers_total",
		"Calls that left a lane for its fallback, by both lanes and by reason.", "from", "to", "reason")}
	var err error
	if c.Slots, err = llm.NewSlots(cfg.Slots, cfg.reserve(), reg); err != nil {
		return nil, err
	}
	p := parts{rdb: rdb, slots: c.Slots, log: log, reg: reg}
	for _, one := range cfg.lanes() {
		lane := &lane{name: one.Name, models: one.Models, model: one.Model}
		c.lanes = append(c.lanes, lane) // before it is built, so that Close ends what a failed build has begun
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
func (c *Chain) lane(name string) *lane {
	for _, lane := range c.lanes {
		if lane.name == name {
			return lane
		}
	}
	return nil
}

// Order names the gates of the default lane, outermost first.
func (c *Chain) Order() []string { return c.lanes[0].caller.Order() }

// Down is the time until one of the lanes may be called again; 0 while one can be called now. It looks at all lanes,
// because the lane of a call is not known before its body is read.
func (c *Chain) Down() time.Duration {
	down := c.lanes[0].breaker.RetryAfter()
	for _, lane := range c.lanes[1:] {
		down = min(down, lane.breaker.RetryAfter())
	}
	return down
}

// ProbeIn is the time until a lane whose breaker is open lets a probe through; 0 while it is closed, and for a lane
// that there is not.
func (c *Chain) ProbeIn(lane string) time.Duration {
	if l := c.lane(lane); l != nil {
		return l.breaker.RetryAfter()
	}
	return 0
}

// Trouble names the lanes whose breaker is open, and those whose key cannot be read; "" when all is well.
func (c *Chain) Trouble() string {
	var down []string
	for _, lane := range c.lanes {
		if trouble := lane.vendor.Trouble(); trouble != "" {
			down = append(down, "lane "+lane.name+": "+trouble)
		}
		if wait := lane.breaker.RetryAfter(); wait > 0 {
			down = append(down, fmt.Sprintf("calls of lane %s failed: its breaker is open for another %v",
				lane.name, wait.Round(time.Second)))
		}
	}
	return strings.Join(down, "; ")
}

// Close sends what the gates still have to report to Redis and ends their goroutines. Calls must have ended before.
func (c *Chain) Close() error {
	var errs []error
	for _, lane := range c.lanes {
		errs = append(errs, lane.close())
	}
	return errors.Join(errs...)
}
