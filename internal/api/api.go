// Package api is the service's HTTP interface: routes, the order of the inbound layers, the handlers, and the one table
// that turns outcomes into statuses.
//
//	router.go   every layer in its order, every route with its handler
//	api.go      settings and parts, and how they become a handler
//	endpoints.go which endpoints are open; llm.go takes a call to a vendor
//	jobs.go     POST /llm to be answered later, and /llm/jobs
//	body.go     the request's body
//	sse.go      streamed answers; slowreader.go clients that do not read them
//	problem.go  outcome -> status, code, advice; fail.go writes them
//	openapi.go  the description of all this
package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/apidocs"
	"github.com/spillway-dev/spillway/internal/health"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/streams"
)

// Config holds the settings of the HTTP interface.
type Config struct {
	// Largest request body in bytes. A body also has to fit into three quarters of MEMORY_BUDGET.
	MaxBody int64 `split_words:"true" default:"33554432" desc:"Largest request body in bytes. A body also has to fit into three quarters of MEMORY_BUDGET."`
	// Endpoints that are open to clients, as chat,embeddings,models. Empty means all that a vendor has. /llm is always
	// open.
	Endpoints []string `desc:"Endpoints that are open to clients, as chat,embeddings,models. Empty means all that a vendor has. /llm is always open."`
	// Time a client may take to accept 256 KiB of an answer, or one event of a stream, before it counts as gone.
	WriteTimeout time.Duration `split_words:"true" default:"15s" desc:"Time a client may take to accept 256 KiB of an answer, or one event of a stream, before it counts as gone."`
}

// Validate reports values that make no sense.
func (c Config) Validate() error {
	if c.MaxBody < 2 {
		return fmt.Errorf("MAX_BODY is %d: use at least 2 bytes, which is what {} takes", c.MaxBody)
	}
	if c.WriteTimeout <= 0 {
		return fmt.Errorf("WRITE_TIMEOUT is %v: use a positive duration such as 15s", c.WriteTimeout)
	}
	return c.validateEndpoints()
}

// Deps are the parts that the HTTP interface uses. Tracer, VendorDown, Models, Spoken and Jobs may be nil: no traces
// are recorded, the vendor never counts as down, no jobs are accepted. All others are required.
type Deps struct {
	Caller caller
	Jobs   *jobs.Service
	Redis  *redisx.Client
	Tokens *middleware.TokenLimit // of users
	Keys   *middleware.Keys
	Load   func() middleware.Load // the pod's slots and queue
	Health *health.Health
	// VendorDown returns the time until the breaker lets calls through again; 0 when it does now.
	VendorDown func() time.Duration
	// Models lists the models that are served; nil: there are none.
	Models modelLister
	// Spoken reports whether a vendor has an endpoint; nil: all have all.
	Spoken func(*llm.Endpoint) bool
	// Passed are the names of the clients' headers that a vendor gets; they are bounded.
	Passed []string
	// Refused is told of every request that was refused or failed; it may be nil.
	Refused  func(middleware.Refusal)
	Estimate llm.EstimateConfig // of what a call's payload costs
	Memory   *memory.Budget     // for bodies; nil has room for all
	Streams  *streams.Set       // those that are open; nil counts none
	Log      *slog.Logger
	Reg      prometheus.Registerer
	Tracer   trace.TracerProvider
}

// server holds what the handlers share.
type server struct {
	cfg      Config
	sla      time.Duration
	fail     middleware.Fail
	caller   caller
	spoken   func(*llm.Endpoint) bool // nil: every endpoint is
	lister   modelLister
	estimate llm.EstimateConfig
	tokens   *middleware.TokenLimit
	memory   *memory.Budget
	streams  *streams.Set
	jobs     *jobs.Service // nil: no jobs are accepted
	health   *health.Health
	docs     *apidocs.Docs

	longestRetry time.Duration // that a caller's library may wait for by itself
}

// New returns the handler of the main port. inbound are the settings of the layers that stand before the handlers.
func New(cfg Config, inbound middleware.Config, d Deps) (http.Handler, error) {
	all, err := layers(inbound, d)
	if err != nil {
		return nil, err
	}
	text, err := description()
	if err != nil {
		return nil, err
	}
	docs, err := apidocs.New(text)
	if err != nil {
		return nil, err
	}
	s := &server{
		cfg: cfg, sla: inbound.SLA, fail: failing(inbound.RetryAfterMax), longestRetry: inbound.RetryAfterMax,
		caller: d.Caller, spoken: d.Spoken, lister: d.Models, estimate: d.Estimate, tokens: d.Tokens, memory: d.Memory,
		streams: d.Streams, jobs: d.Jobs, health: d.Health, docs: docs,
	}
	if s.lister == nil {
		s.lister = func(context.Context) ([]llm.Model, error) { return nil, nil }
	}
	handler, err := s.handler(all)
	if err != nil {
		return nil, err
	}
	return bounded(inbound.SLA+cfg.WriteTimeout, noSniffing(azurePaths(handler))), nil
}

// noSniffing tells browsers to believe the Content-Type of every answer. What a vendor or a model wrote would otherwise
// be taken for a page when it looks like one.
func noSniffing(next http.Handler) http.Handler {
	value := []string{"nosniff"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Content-Type-Options"] = value
		next.ServeHTTP(w, r)
	})
}
