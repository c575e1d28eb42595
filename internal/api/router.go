// Package api is the service's HTTP face: routes, the order of the inbound layers, the handler of POST /llm, and the one
// table that turns outcomes into statuses.
//
//	router.go   every route, and the layers in their order
//	llm.go      POST /llm and POST /v1/chat/completions
//	jobs.go     POST /llm to be answered later, and /llm/jobs
//	body.go     the request's body, text.go what it may be made of
//	sse.go      streamed answers, slowreader.go who does not read them
//	problem.go  outcome -> status, code, advice; fail.go writes them
package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/health"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Config holds the settings of the HTTP face.
type Config struct {
	MaxBody      int64         `split_words:"true" default:"1048576" desc:"Largest request body in bytes."`
	WriteTimeout time.Duration `split_words:"true" default:"15s" desc:"Time a client may take to accept an answer, or one event of a stream, before it counts as gone."`

	Inbound    middleware.Config `ignored:"true"`
	JobMaxBody int64             `ignored:"true"` // of a job, in bytes
}

// Validate reports values that make no sense.
func (c Config) Validate() error {
	if c.MaxBody < 2 {
		return fmt.Errorf("MAX_BODY is %d: use at least 2 bytes, which is what {} takes", c.MaxBody)
	}
	if c.WriteTimeout <= 0 {
		return fmt.Errorf("WRITE_TIMEOUT is %v: use a positive duration such as 15s", c.WriteTimeout)
	}
	return nil
}

// Deps are the parts the HTTP face is made of. All are required but Tracer, without which no trace is recorded, and
// VendorDown, and Jobs, without which none are taken.
type Deps struct {
	Caller caller
	Jobs   *jobs.Service
	Redis  *redisx.Client
	Keys   *middleware.Keys
	Load   func() middleware.Load // the pod's slots and queue
	Health *health.Health
	// VendorDown is the time until the breaker lets calls through again; 0 when it does now.
	VendorDown func() time.Duration
	Log        *slog.Logger
	Reg        prometheus.Registerer
	Tracer     trace.TracerProvider
}

const chatCompletions = "/v1/chat/completions"

// Routes are the routes that a user's limit counts, in the form in which LLM_ENDPOINT_RATES names them.
func Routes() []string { return []string{"/llm", chatCompletions} }

type server struct {
	cfg    Config
	caller caller
	jobs   *jobs.Service // nil: none are taken
}

// layer is one inbound layer with its name.
type layer struct {
	name   string
	handle gin.HandlerFunc
}

// layers lists the inbound layers, outermost first. The first five watch: they hold nothing and refuse nobody, so that a
// request that Admission refuses has its ID, its span and its place in the metrics too.
func layers(cfg middleware.Config, d Deps) ([]layer, error) {
	metrics, err := middleware.NewMetrics(d.Reg)
	if err != nil {
		return nil, err
	}
	admission, err := middleware.NewAdmission(cfg.AdmissionMax, d.Reg)
	if err != nil {
		return nil, err
	}
	shed, err := middleware.NewShed(cfg, d.Load, d.Reg)
	if err != nil {
		return nil, err
	}
	users, err := middleware.NewUserLimit(cfg, d.Redis, d.Log, d.Reg)
	if err != nil {
		return nil, err
	}
	return []layer{
		{"tracing", middleware.Tracing(d.Tracer)},
		{"request ID", middleware.RequestID()},
		{"access log", middleware.AccessLog(d.Log)},
		{"metrics", metrics.Handler()},
		{"recover", middleware.Recover(d.Log, fail)},
		{"admission", admission.Handler(fail)},
		{"SLA deadline", middleware.Deadline(cfg.SLA)},
		{"identity", middleware.Identity(d.Keys, fail)},
		{"fail fast", middleware.FailFast(d.VendorDown, fail)},
		{"shedding", shed.Handler(fail)},
		{"user limit", users.Handler(fail)},
	}, nil
}

// watching is how many of the layers stand before every route, the health checks and the documentation too.
const watching = 5

// knowing is how many of them end with the one that knows the caller: all that stands before what costs the vendor nothing.
const knowing = 8

// New returns the handler of the main port.
func New(cfg Config, d Deps) (http.Handler, error) {
	engine, err := newEngine(cfg, d)
	if err != nil {
		return nil, err
	}
	return bounded(cfg.Inbound.SLA+cfg.WriteTimeout, engine), nil
}

// newEngine builds the routes, each behind its layers.
func newEngine(cfg Config, d Deps) (*gin.Engine, error) {
	all, err := layers(cfg.Inbound, d)
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, caller: d.Caller, jobs: d.Jobs}

	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	if err := engine.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	for _, l := range all[:watching] {
		engine.Use(l.handle)
	}
	engine.NoRoute(func(c *gin.Context) { fail(c, rejected(reasonNotFound)) })
	engine.NoMethod(func(c *gin.Context) { fail(c, rejected(reasonMethodNotAllowed)) })

	known := engine.Group("/")
	for _, l := range all[watching:knowing] {
		known.Use(l.handle)
	}
	known.GET(jobsPath, s.listJobs)
	known.GET(jobsPath+"/:id", s.getJob)
	known.DELETE(jobsPath+"/:id", s.cancelJob)

	guarded := known.Group("/")
	for _, l := range all[knowing:] {
		if l.name != "user limit" { // a job can wait until the vendor is well and the pod has room
			l.handle = s.unlessJob(l.handle)
		}
		guarded.Use(l.handle)
	}
	guarded.POST("/llm", s.handleLLM)
	guarded.POST(chatCompletions, s.handleLLM)

	look := []string{http.MethodGet, http.MethodHead}
	engine.Match(look, "/health", gin.WrapF(d.Health.Livez))
	engine.Match(look, "/ready", gin.WrapF(d.Health.Readyz))
	engine.Match(look, "/openapi.json", serveOpenAPI)
	engine.Match(look, "/docs", serveDocs)
	return engine, nil
}
