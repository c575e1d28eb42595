package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/api"
	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/health"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/streams"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// build makes every part once, each from its own settings and from the parts above it. What has to be closed is handed
// to cleanup as soon as it exists, so that a later failure leaves nothing behind.
func build(ctx context.Context, cfg config.Config, lookup func(string) (string, bool), log *slog.Logger,
	cleanup *closers) (*service, error) {
	routeLibraryLogs(log)
	reg := telemetry.NewRegistry()
	tracer, flush, err := telemetry.Setup(ctx, lookup, "spillway", buildVersion())
	if err != nil {
		return nil, err
	}
	cleanup.addLax("traces", 5*time.Second, flush) // a collector that hangs is not this program's failure

	trial := newPlayground(cfg)
	if trial != nil {
		cfg.Redis.Through = trial.freezer.lead
	}
	rdb, err := redisx.New(cfg.Redis, log, reg)
	if err != nil {
		return nil, err
	}
	cleanup.add("redis", 2*time.Second, now(rdb.Close))

	room, err := memory.New(cfg.Memory, memory.Limit(), cfg.LLM.QueueTimeout, log, reg)
	if err != nil {
		return nil, err
	}
	open, err := streams.New(reg)
	if err != nil {
		return nil, err
	}
	caller, err := newCaller(cfg, room, rdb, log, reg, cleanup)
	if err != nil {
		return nil, err
	}

	tokens, err := middleware.NewTokenLimit(cfg.Inbound, rdb, log, reg)
	if err != nil {
		return nil, err
	}
	cleanup.add("token limit", time.Second, now(tokens.Close))

	queue, err := newJobs(cfg, caller, tokens, rdb, log, reg, tracer, cleanup)
	if err != nil {
		return nil, err
	}

	keys, err := middleware.NewKeys(cfg.Inbound.APIKeysFile, cfg.Inbound.TierRates, log, reg, trial.own()...)
	if err != nil {
		return nil, err
	}
	cleanup.add("API keys", time.Second, now(keys.Close))

	load := func() middleware.Load {
		return middleware.Load{Waiting: caller.Slots.Waiting(), SlotUse: caller.Slots.Use()}
	}
	pod, err := newHealth(cfg, caller, keys, rdb, reg)
	if err != nil {
		return nil, err
	}

	page := livePage(cfg.Jobs.Name, reg, rdb, log, caller.Down)
	cleanup.add("live page", time.Second, now(func() error { page.Close(); return nil }))

	handler, err := api.New(cfg.API, cfg.Inbound, api.Deps{
		Caller: caller, Jobs: queue, VendorDown: caller.Down, Refused: told(page), Estimate: cfg.LLM.Estimate,
		Memory: room, Streams: open, Redis: rdb, Tokens: tokens, Keys: keys, Load: load, Health: pod, Log: log,
		Reg: reg, Tracer: tracer,
		Models: caller.Models, Speaks: caller.Speaks, PassedHeaders: caller.Passed(),
	})
	if err != nil {
		return nil, err
	}
	return &service{
		cfg: cfg.Server, log: log, reg: reg,
		handler: handler, admin: page.Over(api.NewAdmin(pod, reg, cfg.Server.Pprof)), page: page,
		playground: trial,
		started:    pod.SetStarted, drain: pod.Drain, streams: open, jobs: queue,
	}, nil
}

// newCaller returns the way out, whose answers take their memory from room.
func newCaller(cfg config.Config, room *memory.Budget, rdb *redisx.Client, log *slog.Logger,
	reg prometheus.Registerer, cleanup *closers) (*chain.Chain, error) {
	settings := cfg.LLM
	settings.Vendor.Memory = room
	if !cfg.Inbound.HasHighest() { // then no call may take the reserve
		settings.SlotsReserve = 0
	}
	caller, err := chain.New(settings, rdb, log, reg)
	if err != nil {
		return nil, err
	}
	cleanup.add("gates", 5*time.Second, now(caller.Close)) // flushes what they still have to tell Redis
	return caller, nil
}

// newHealth returns what the probes ask. Readiness looks at the queue alone: slots that are all in use while no call
// waits make a busy pod, not a full one.
func newHealth(cfg config.Config, caller *chain.Chain, keys *middleware.Keys, rdb *redisx.Client,
	reg prometheus.Registerer) (*health.Health, error) {
	pod := health.New(health.Config{},
		func() float64 { return float64(caller.Slots.Waiting()) / float64(cfg.Inbound.QueueMax) })
	pod.Tell("api_keys", keys.Trouble)
	pod.Tell("redis", rdb.Trouble)
	pod.Tell("vendor", caller.Trouble)
	return pod, api.RegisterReadiness(pod, reg)
}

// handBackTime is kept of the grace period for telling Redis which jobs are not done.
const handBackTime = 2 * time.Second

// newJobs returns the queue, or nil when the configuration wants none.
func newJobs(cfg config.Config, caller *chain.Chain, tokens *middleware.TokenLimit, rdb *redisx.Client,
	log *slog.Logger, reg prometheus.Registerer, tracer trace.TracerProvider, cleanup *closers) (*jobs.Service, error) {
	if !cfg.Jobs.Enabled {
		return nil, nil
	}
	settings := cfg.Jobs
	settings.Workers = min(settings.Workers, max(1, cfg.LLM.Slots-1))
	settings.Waits = min(settings.Waits, max(1, cfg.Inbound.AdmissionMax/2)) // a request that waits is inside the pod
	settings.StopGrace = min(settings.StopGrace, max(0, cfg.Server.ShutdownGrace-handBackTime))
	lane := caller.LaneOf
	if len(cfg.LLM.Lanes) == 0 {
		lane = nil
	}
	queue, err := jobs.New(settings, jobs.Deps{
		Caller: caller, Lane: lane, Redis: rdb, Problem: api.ProblemDocument, Expired: middleware.ErrDeadline,
		Used:     tokens.Charge,
		Estimate: cfg.LLM.Estimate, Log: log, Reg: reg, Tracer: tracer,
	})
	if err != nil {
		return nil, err
	}
	cleanup.add("jobs", 5*time.Second, now(queue.Close))
	return queue, nil
}

// routeLibraryLogs makes the libraries that write to standard error on their own use our log. Their hooks are globals
// of theirs, which is why this is done here and nowhere else.
func routeLibraryLogs(log *slog.Logger) {
	gin.SetMode(gin.ReleaseMode)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.LogAttrs(context.Background(), slog.LevelWarn, "traces", slog.Any("error", err))
	}))
	redis.SetLogger(redisLog{log})
}

// redisLog takes go-redis's own lines at debug: what they tell of trouble the guard in redisx says once, and better.
type redisLog struct{ log *slog.Logger }

func (r redisLog) Printf(ctx context.Context, format string, args ...any) {
	if r.log.Enabled(ctx, slog.LevelDebug) {
		r.log.LogAttrs(ctx, slog.LevelDebug, "go-redis", slog.String("text", fmt.Sprintf(format, args...)))
	}
}
