package main

import (
	"time"

	"github.com/spillway-dev/spillway/internal/api"
	"github.com/spillway-dev/spillway/internal/health"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/live"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/middleware"
)

// newChain returns the way out, whose answers take their memory from room.
func (b *builder) newChain(room *memory.Budget) (*chain.Chain, error) {
	settings := b.cfg.LLM
	settings.Vendor.Memory = room
	if !b.cfg.Inbound.HasHighest() { // then no call may take the reserve
		settings.SlotsReserve = 0
	}
	caller, err := chain.New(settings, b.rdb, b.log, b.reg)
	if err != nil {
		return nil, err
	}
	b.cleanup.add("gates", 5*time.Second, withoutContext(caller.Close)) // sends Redis the reports that are left
	return caller, nil
}

func (b *builder) newTokenLimit() (*middleware.TokenLimit, error) {
	tokens, err := middleware.NewTokenLimit(b.cfg.Inbound, b.rdb, b.log, b.reg)
	if err != nil {
		return nil, err
	}
	b.cleanup.add("token limit", time.Second, withoutContext(tokens.Close))
	return tokens, nil
}

// handBackTime is the part of the grace period that is kept for telling Redis which jobs are not done.
const handBackTime = 2 * time.Second

// newJobs returns the queue, or nil when the configuration wants none.
func (b *builder) newJobs(caller *chain.Chain, tokens *middleware.TokenLimit) (*jobs.Service, error) {
	cfg := b.cfg
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
		Caller: caller, Lane: lane, Redis: b.rdb, Problem: api.ProblemDocument, Expired: middleware.ErrDeadline,
		Used:     tokens.Charge,
		Estimate: cfg.LLM.Estimate, Log: b.log, Reg: b.reg, Tracer: b.tracer,
	})
	if err != nil {
		return nil, err
	}
	b.cleanup.add("jobs", 5*time.Second, withoutContext(queue.Close))
	return queue, nil
}

func (b *builder) newKeys() (*middleware.Keys, error) {
	keys, err := middleware.NewKeys(b.cfg.Inbound.APIKeysFile, b.cfg.Inbound.TierRates, b.log, b.reg,
		b.playground.own()...)
	if err != nil {
		return nil, err
	}
	b.cleanup.add("API keys", time.Second, withoutContext(keys.Close))
	return keys, nil
}

// newHealth returns what the probes ask. Readiness depends on the queue alone: slots that are all in use while no call
// waits make a busy pod, not a full one.
func (b *builder) newHealth(caller *chain.Chain, keys *middleware.Keys) (*health.Health, error) {
	pod := health.New(health.Config{},
		func() float64 { return float64(caller.Slots.Waiting()) / float64(b.cfg.Inbound.QueueMax) })
	pod.Tell("api_keys", keys.Trouble)
	pod.Tell("redis", b.rdb.Trouble)
	pod.Tell("vendor", caller.Trouble)
	return pod, api.RegisterReadiness(pod, b.reg)
}

func (b *builder) newLivePage(caller *chain.Chain) *live.Live {
	page := livePage(b.cfg.Jobs.Name, b.reg, b.rdb, b.log, caller.ProbeIn)
	b.cleanup.add("live page", time.Second, withoutContext(func() error { page.Close(); return nil }))
	return page
}

// loadOf returns what shedding looks at.
func loadOf(caller *chain.Chain) func() middleware.Load {
	return func() middleware.Load {
		return middleware.Load{Waiting: caller.Slots.Waiting(), SlotUse: caller.Slots.Use()}
	}
}
