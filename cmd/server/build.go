package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/api"
	"github.com/spillway-dev/spillway/internal/apidocs"
	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/streams"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// build makes every part once, each from its own settings and from the parts above it. What has to be closed is handed
// to cleanup as soon as it exists, so that a later failure leaves nothing behind.
func build(ctx context.Context, cfg config.Config, lookup func(string) (string, bool), log *slog.Logger,
	cleanup *closers, trial apidocs.Trial) (*service, error) {
	routeLibraryLogs(log)
	b, err := newBuilder(ctx, cfg, lookup, log, cleanup)
	if err != nil {
		return nil, err
	}
	room, err := memory.New(cfg.Memory, memory.Limit(), cfg.LLM.QueueTimeout, log, b.reg)
	if err != nil {
		return nil, err
	}
	open, err := streams.New(b.reg)
	if err != nil {
		return nil, err
	}
	caller, err := b.newChain(room)
	if err != nil {
		return nil, err
	}
	tokens, err := b.newTokenLimit()
	if err != nil {
		return nil, err
	}
	queue, err := b.newJobs(caller, tokens)
	if err != nil {
		return nil, err
	}
	keys, err := b.newKeys()
	if err != nil {
		return nil, err
	}
	pod, err := b.newHealth(caller, keys)
	if err != nil {
		return nil, err
	}
	page := b.newLivePage(caller)
	handler, err := api.New(cfg.API, cfg.Inbound, api.Deps{
		Caller: caller, Jobs: queue, VendorDown: caller.Down, Refused: showOn(page), Estimate: cfg.LLM.Estimate,
		Memory: room, Streams: open, Redis: b.rdb, Tokens: tokens, Keys: keys, Load: loadOf(caller), Health: pod,
		Log: log, Reg: b.reg, Tracer: b.tracer,
		Models: caller.Models, Speaks: caller.Speaks, PassedHeaders: caller.Passed(),
		Trial: trial,
	})
	if err != nil {
		return nil, err
	}
	return &service{
		cfg: cfg.Server, log: log, reg: b.reg,
		handler: handler, admin: page.Over(api.NewAdmin(pod, b.reg, cfg.Server.Pprof)), page: page,
		playground: b.playground,
		started:    pod.SetStarted, drain: pod.Drain, streams: open, jobs: queue,
	}, nil
}

// builder has what every part is made from.
type builder struct {
	cfg     config.Config
	log     *slog.Logger
	reg     *prometheus.Registry
	tracer  trace.TracerProvider
	rdb     *redisx.Client
	cleanup *closers

	playground *playground // nil: none
}

// newBuilder sets up metrics and traces, and connects to Redis.
func newBuilder(ctx context.Context, cfg config.Config, lookup func(string) (string, bool), log *slog.Logger,
	cleanup *closers) (*builder, error) {
	b := &builder{cfg: cfg, log: log, reg: telemetry.NewRegistry(), cleanup: cleanup, playground: newPlayground(cfg)}
	if b.playground != nil {
		cfg.Redis.Through = b.playground.freezer.lead
	}
	tracer, flush, err := telemetry.Setup(ctx, lookup, "spillway", buildVersion())
	if err != nil {
		return nil, err
	}
	b.tracer = tracer
	cleanup.addLax("traces", 5*time.Second, flush) // a collector that hangs is not this program's failure
	if b.rdb, err = redisx.New(cfg.Redis, log, b.reg); err != nil {
		return nil, err
	}
	cleanup.add("redis", 2*time.Second, withoutContext(b.rdb.Close))
	return b, nil
}
