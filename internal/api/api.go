// Package api is the service's HTTP interface: routes, the order of the inbound layers, the handlers, and the one table
// that turns outcomes into statuses.
//
//	api.go        settings and parts, and how they become a handler; azure.go gives Azure's paths the endpoints' names
//	router.go     every layer in its order, every route with its handler
//	  llm.go      POST /llm and the endpoints: a call to a vendor; endpoints.go says which endpoints are open
//	    body.go   the request's body
//	    sse.go    a streamed answer; slowreader.go: clients that do not read their answer
//	  submitjob.go  POST /llm as a job; prefer.go reads the header that asks for one
//	  jobs.go     /llm/jobs; jobdocument.go: a job as its owner sees it; jobresult.go, jobbody.go: with the
//	              vendor's answer
//	  models.go   /v1/models
//	  notfound.go   paths and methods that do not exist
//	problem.go    reason -> status, code, text; vendorproblem.go: the same for failures of the vendor
//	  fail.go     writes a problem; document.go: its JSON; linger.go: reads on after a refused body
//	openapi.go    the description of all this
//	admin.go      the handler of the admin port
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

// Deps are the parts that the HTTP interface uses. What may be nil says what nil means; the rest is required.
type Deps struct {
	Caller   caller
	Redis    *redisx.Client
	Keys     *middleware.Keys
	Load     func() middleware.Load // the pod's slots and queue
	Health   *health.Health
	Estimate llm.EstimateConfig // of the tokens of a call
	Log      *slog.Logger
	Reg      prometheus.Registerer

	Jobs    *jobs.Service          // nil: no jobs are accepted
	Tokens  *middleware.TokenLimit // of users; nil: no limit
	Memory  *memory.Budget         // for bodies; nil has room for all
	Streams *streams.Set           // those that are open; nil counts none
	Tracer  trace.TracerProvider   // nil: no traces are recorded
	// VendorDown returns the time until a vendor may be called again; 0 while one may be called now. nil: one always
	// may.
	VendorDown func() time.Duration
	// Models lists the models that are served; nil: there are none.
	Models modelLister
	// Speaks reports whether a vendor has an endpoint; nil: a vendor has each.
	Speaks func(*llm.Endpoint) bool
	// PassedHeaders are the names of the clients' headers that a vendor gets; their sizes are bounded.
	PassedHeaders []string
	// Trial is what the pages of the API show where the service is tried out.
	Trial apidocs.Trial
	// Refused is called with every request that was refused or failed; it may be nil.
	Refused func(middleware.Refusal)
}

// server holds what the handlers share.
type server struct {
	cfg      Config
	sla      time.Duration
	fail     middleware.Fail
	caller   caller
	speaks   func(*llm.Endpoint) bool // reports whether a vendor has an endpoint; nil: a vendor has each
	lister   modelLister
	estimate llm.EstimateConfig
	tokens   *middleware.TokenLimit
	memory   *memory.Budget
	streams  *streams.Set
	jobs     *jobs.Service // nil: no jobs are accepted
	health   *health.Health
	docs     *apidocs.Docs

	concurrency  *middleware.Concurrency // for answers of jobs; a layer counts calls
	longestRetry time.Duration           // the longest Retry-After that a client's library may wait for by itself
}

// New returns the handler of the main port. inbound are the settings of the layers that stand before the handlers.
func New(cfg Config, inbound middleware.Config, d Deps) (http.Handler, error) {
	concurrency, err := middleware.NewConcurrency(inbound, d.Memory.Largest(), d.Reg)
	if err != nil {
		return nil, err
	}
	all, err := layers(inbound, d, concurrency)
	if err != nil {
		return nil, err
	}
	text, err := description()
	if err != nil {
		return nil, err
	}
	docs, err := apidocs.New(text, d.Trial)
	if err != nil {
		return nil, err
	}
	s := &server{
		cfg: cfg, sla: inbound.SLA, fail: failing(inbound.RetryAfterMax), longestRetry: inbound.RetryAfterMax,
		caller: d.Caller, speaks: d.Speaks, lister: d.Models, estimate: d.Estimate, tokens: d.Tokens, memory: d.Memory,
		streams: d.Streams, jobs: d.Jobs, concurrency: concurrency, health: d.Health, docs: docs,
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

// noSniffing tells browsers to believe the Content-Type of every answer. Otherwise they would show a vendor's answer
// that looks like a page as one.
func noSniffing(next http.Handler) http.Handler {
	value := []string{"nosniff"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Content-Type-Options"] = value
		next.ServeHTTP(w, r)
	})
}
