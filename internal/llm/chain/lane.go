package chain

import (
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/breaker"
	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Default is the name of the lane that the settings without LANE_ describe.
const Default = "default"

// lane is one way to a vendor, with gates of its own.
type lane struct {
	name     string
	models   []string // that it serves; of the default lane none, because it serves the rest
	model    Mapping  // the model to ask for when a call comes from another lane
	fallback *lane    // nil: none

	caller  *llm.Caller
	breaker *breaker.Breaker
	quota   *quota.Quota
	vendor  *upstream.Vendor
	list    *modelList
	slots   *llm.Slots // of the pod
	share   *llm.Slots // how many of them the lane may hold; nil when it may hold all
}

// parts are what lanes share.
type parts struct {
	rdb   *redisx.Client
	slots *llm.Slots
	log   *slog.Logger
	reg   prometheus.Registerer
}

// build makes the vendor, the gates and the retry. The list of gates in it is the order in which a call passes them,
// outermost first. Every metric of a lane has the lane's name as a label, also in the default lane.
func (l *lane) build(pod Config, cfg LaneConfig, p parts) (err error) {
	reg := prometheus.WrapRegistererWith(prometheus.Labels{"lane": l.name}, p.reg)
	log := p.log.With(slog.String("lane", l.name))
	l.slots = p.slots
	times := upstream.Times{Call: pod.CallTimeout, StreamIdle: pod.StreamIdle, StreamMax: pod.StreamMax}
	times.FirstEvent = cfg.FirstEventTimeout
	if l.vendor, err = upstream.New(cfg.Vendor, times, pod.Slots, log, reg); err != nil {
		return err
	}
	l.list = newModelList(l.vendor.Models, log)
	if l.breaker, err = breaker.New(cfg.Breaker, p.rdb, l.key(), log, reg); err != nil {
		return err
	}
	if l.quota, err = quota.New(cfg.Quota, pod.QueueTimeout, p.rdb, l.key(), log, reg); err != nil {
		return err
	}
	pacer, err := llm.NewPacer(cfg.Pacer, reg)
	if err != nil {
		return err
	}
	gates := []llm.NamedGate{
		llm.Named("breaker", l.breaker),
		llm.Named("quota", l.quota),
		llm.Named("pacer", pacer),
	}
	if cfg.SlotsMax > 0 {
		if l.share, err = llm.NewShare(cfg.SlotsMax, reg); err != nil {
			return err
		}
		gates = append(gates, llm.Named("share", l.share))
	}
	gates = append(gates, llm.Named("slots", p.slots))
	calls := llm.CallerConfig{QueueTimeout: pod.QueueTimeout, Retry: pod.Retry}
	l.caller, err = llm.NewCaller(calls, gates, l.vendor, l.conditions, reg)
	return err
}

// key names the lane in Redis. The name of the default lane is left out, so that its keys are those of versions without
// lanes.
func (l *lane) key() string {
	if l.name == Default {
		return l.vendor.Name()
	}
	return l.vendor.Name() + "/" + l.name
}

// conditions are the state of the pod and of the lane as the retry sees it.
func (l *lane) conditions() llm.Conditions {
	use := l.slots.Use()
	if l.share != nil {
		use = max(use, l.share.Use())
	}
	return llm.Conditions{BreakerOpen: l.breaker.State() == breaker.Open, SlotUse: use}
}

// close ends what build has begun, also when build has failed.
func (l *lane) close() error {
	var errs []error
	if l.quota != nil {
		errs = append(errs, l.quota.Close())
	}
	if l.breaker != nil {
		errs = append(errs, l.breaker.Close())
	}
	if l.list != nil {
		l.list.close()
	}
	if l.vendor != nil {
		l.vendor.Close()
	}
	return errors.Join(errs...)
}
