package jobs_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redisx"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would write to standard error what tests provoke
	goleak.VerifyTestMain(m)
}

const body = `{"model":"m","messages":[]}`

// budget is the time that a command of a request may take.
const budget = time.Second

// vendor answers when the test says so.
type vendor struct {
	calls  chan *vendorCall
	before func(ctx context.Context) // done in every call; may be nil
	late   atomic.Bool               // the answer is under way already when the call is cancelled
}

type vendorCall struct {
	*llm.Call
	ctx    context.Context
	answer chan string // what the call answers with
	failed chan error  // or fails with
}

func newVendor(before func(context.Context)) *vendor {
	return &vendor{calls: make(chan *vendorCall, 100), before: before}
}

func (v *vendor) Do(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	if v.before != nil {
		v.before(ctx)
	}
	call.Started()
	c := &vendorCall{call, ctx, make(chan string, 1), make(chan error, 1)}
	v.calls <- c
	cancelled := ctx.Done()
	if v.late.Load() {
		cancelled = nil
	}
	select {
	case text := <-c.answer:
		return &llm.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: []byte(text)}, nil
	case err := <-c.failed:
		return nil, err
	case <-cancelled:
		return nil, context.Cause(ctx)
	}
}

// called is the next call.
func (v *vendor) called(tb testing.TB) *vendorCall {
	tb.Helper()
	return await.Value(tb, "a vendor call", v.calls)
}

// quiet fails the test when there was one call more.
func (v *vendor) quiet(tb testing.TB) {
	tb.Helper()
	select {
	case c := <-v.calls:
		tb.Errorf("%s was called once more", c.ID)
	default:
	}
}

// pod is one pod's share of the jobs.
type pod struct {
	*jobs.Service
	vendor *vendor
	reg    *prometheus.Registry
}

// options says in what a pod differs from the others.
type options struct {
	redis  redisx.Config
	lease  time.Duration // an hour when 0: it has no part in the test
	hook   hook
	tracer trace.TracerProvider
	before func(ctx context.Context) // done in every vendor call

	workers int // 2 when 0, none when -1

	leaveFor time.Duration // how long a worker tries to write an end down; as usual when 0

	change func(*jobs.Config) // may be nil
	log    io.Writer          // may be nil
}

func newPod(tb testing.TB, o options) *pod {
	tb.Helper()
	p := &pod{vendor: newVendor(o.before), reg: prometheus.NewRegistry()}
	o.redis.Budget, o.redis.Pool = budget, 8
	log := slog.New(slog.DiscardHandler)
	if o.log != nil {
		log = slog.New(slog.NewTextHandler(o.log, nil))
	}
	rdb, err := redisx.New(o.redis, log, p.reg)
	ok(tb, err)
	cfg := jobs.Config{
		Name: "llm", Workers: max(cmp.Or(o.workers, 2), 0),
		Weights: map[string]int{"high": 100, "normal": 10, "low": 1}, Attempts: 3, Deaths: 2,
		Lease: cmp.Or(o.lease, time.Hour), Retention: time.Hour, MaxAge: time.Hour, MaxBody: 1 << 20, UserMax: 100,
		StopGrace: 0,
		Waits:     10, UserWaits: 5, Looks: 0,
	}
	if o.change != nil {
		o.change(&cfg)
	}
	p.Service, err = jobs.New(cfg, jobs.Deps{
		Caller: p.vendor, Redis: rdb, Log: log, Reg: p.reg, Tracer: o.tracer, Expired: errors.New("expired"),
		Problem: func(err error, _ string) (int, []byte) { return http.StatusBadGateway, []byte(err.Error()) },
	})
	ok(tb, err)
	if o.leaveFor > 0 {
		p.SetLeaveFor(o.leaveFor)
	}
	if o.hook != nil {
		p.AddHook(o.hook)
	}
	ok(tb, p.Start())
	tb.Cleanup(func() { p.Stop(); ok(tb, p.Close()); ok(tb, rdb.Close()) })
	return p
}

func (p *pod) submit(tb testing.TB) (id string) {
	tb.Helper()
	id, _, err := p.Submit(tb.Context(), jobs.Submission{User: "ada", Priority: llm.High, Body: []byte(body)})
	ok(tb, err)
	return id
}

// end waits until the job has ended, and reads its answer. Redis may be away for a while.
func (p *pod) end(tb testing.TB, id string) *jobs.Job {
	tb.Helper()
	for late := time.Now().Add(await.Limit); ; {
		j, _, err := p.Wait(tb.Context(), "ada", id, time.Second)
		if err == nil && j.HasAnswer() {
			err = p.ReadAnswer(tb.Context(), j)
		}
		if err == nil && j.State.Final() {
			return j
		}
		if time.Now().After(late) {
			tb.Fatalf("the job does not end: %+v, %v", j, err)
		}
	}
}

// counted is the sum of the samples of a metric that have this label value.
func (p *pod) counted(tb testing.TB, name, value string) (sum float64) {
	tb.Helper()
	families, err := p.reg.Gather()
	ok(tb, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if family.GetName() == name && label.GetValue() == value {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// total is the sum of all samples of a metric.
func (p *pod) total(tb testing.TB, name string) (sum float64) {
	tb.Helper()
	families, err := p.reg.Gather()
	ok(tb, err)
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func redisZ(member string, score float64) redis.Z { return redis.Z{Member: member, Score: score} }

// hook stands between the background work and its sockets.
type hook func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return h(ctx, cmd, next) }
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// asks tells whether cmd runs the script of that hash.
func asks(cmd redis.Cmder, hash string) bool {
	args := cmd.Args()
	return len(args) > 1 && args[0] == "evalsha" && args[1] == hash
}

// ours tells whether cmd runs a script of this package and not of the engine.
func ours(cmd redis.Cmder) bool {
	for _, arg := range cmd.Args() {
		if text, is := arg.(string); is && strings.HasPrefix(text, "llm:{llm:jobs}") {
			return true
		}
	}
	return false
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
