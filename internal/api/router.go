package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
)

// scope is how much a request costs. Layers and routes have one: a layer stands before the routes of its own scope and
// of those below it in this list.
type scope int

const (
	everyRequest scope = iota // also health checks, documentation and unknown paths: such a layer refuses nothing
	everyCaller               // requests that need an API key
	everyCounted              // requests that count in their user's limit
	everyCall                 // requests that lead to a vendor call
)

func (s scope) String() string {
	return [...]string{"every request", "every caller", "every counted request", "every call"}[s]
}

// layer is one inbound layer.
type layer struct {
	name   string
	scope  scope
	handle gin.HandlerFunc
	// jobsSkip says that jobs do not pass the layer. It asks whether a call can be made now, and a job can wait.
	jobsSkip bool
}

// layers lists the inbound layers, outermost first. Outside them stand those that refuse no single request: cmd/server
// bounds connections, and New sets a limit on writing and gives Azure's paths the names of the endpoints. Inside them
// the handler reads the body (body.go) and books the user's tokens (llm.go, submitjob.go).
func layers(cfg middleware.Config, d Deps, concurrency *middleware.Concurrency) ([]layer, error) {
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
	fail := failing(cfg.RetryAfterMax)
	return []layer{
		{name: "tracing", scope: everyRequest, handle: middleware.Tracing(d.Tracer)},
		{name: "request ID", scope: everyRequest, handle: middleware.RequestID()},
		{name: "access log", scope: everyRequest, handle: middleware.AccessLog(d.Log, d.Refused)},
		{name: "metrics", scope: everyRequest, handle: metrics.Handler()},
		{name: "CORS", scope: everyRequest, handle: middleware.CORS(cfg.CORSOrigins)},
		{name: "recover", scope: everyRequest, handle: middleware.Recover(d.Log, fail)},
		{name: "admission", scope: everyCaller, handle: admission.Handler(fail)},
		{name: "SLA deadline", scope: everyCaller, handle: middleware.Deadline(cfg.SLA)},
		{name: "identity", scope: everyCaller, handle: middleware.Identity(cfg, d.Keys, fail)},
		{name: "header limit", scope: everyCaller, handle: middleware.HeaderLimit(d.PassedHeaders, fail)},
		{name: "user concurrency", scope: everyCall, handle: concurrency.Handler(fail)},
		{name: "fail fast", scope: everyCall, jobsSkip: true, handle: middleware.FailFast(d.VendorDown, fail)},
		{name: "shedding", scope: everyCall, jobsSkip: true, handle: shed.Handler(fail)},
		{name: "user limit", scope: everyCounted, handle: users.Handler(fail)},
	}, nil
}

// route is one path with its handler.
type route struct {
	methods []string
	path    string
	scope   scope
	handle  gin.HandlerFunc
}

var (
	get  = []string{http.MethodGet}
	read = []string{http.MethodGet, http.MethodHead}
	post = []string{http.MethodPost}
)

// routes lists every route but those that make jobs.
func (s *server) routes() []route {
	all := append([]route{{post, "/llm", everyCall, s.call(llm.LaneDecides)}}, s.endpointRoutes()...)
	return append(all, []route{
		{get, "/llm/jobs", everyCaller, s.listJobs},
		{get, "/llm/jobs/:id", everyCaller, s.getJob},
		{[]string{http.MethodDelete}, "/llm/jobs/:id", everyCaller, s.cancelJob},
		{read, "/health", everyRequest, gin.WrapF(s.health.Livez)},
		{read, "/ready", everyRequest, gin.WrapF(s.health.Readyz)},
		{read, "/openapi.json", everyRequest, gin.WrapF(s.docs.Description)},
		{read, "/docs", everyRequest, gin.WrapF(s.docs.Swagger)},
		{read, "/docs/:file", everyRequest, s.docsFile},
		{read, "/redoc", everyRequest, gin.WrapF(s.docs.ReDoc)},
	}...)
}

// jobRoutes lists the routes that make a job of a request with "Prefer: respond-async".
func (s *server) jobRoutes() []route {
	return []route{
		{post, "/llm", everyCall, s.submitJob},
	}
}

// Routes are the paths that a user's limit counts, in the form in which LLM_ENDPOINT_RATES names them.
func Routes() []string {
	var paths []string
	for _, r := range new(server).routes() {
		if r.scope >= everyCounted {
			paths = append(paths, r.path)
		}
	}
	return paths
}

// handler puts every route behind its layers. On one path a header decides between a call and a job, which gin's routes
// cannot express, so the routes of jobs have an engine of their own. Both engines have the same layers, and so the same
// limits.
func (s *server) handler(all []layer) (http.Handler, error) {
	calls, err := newEngine(s.routes(), all)
	if err != nil || s.jobs == nil {
		return calls, err
	}
	var ofJobs []layer
	for _, l := range all {
		if !l.jobsSkip {
			ofJobs = append(ofJobs, l)
		}
	}
	submissions, err := newEngine(s.jobRoutes(), ofJobs)
	if err != nil {
		return nil, err
	}
	takesJobs := map[string]bool{}
	for _, r := range s.jobRoutes() {
		takesJobs[r.path] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && takesJobs[r.URL.Path] && preferred(r.Header).async {
			submissions.ServeHTTP(w, r)
			return
		}
		calls.ServeHTTP(w, r)
	}), nil
}

// newEngine serves routes, each behind the layers that its scope passes.
func newEngine(routes []route, all []layer) (*gin.Engine, error) {
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	if err := engine.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	for _, l := range all {
		if l.scope == everyRequest {
			engine.Use(l.handle)
		}
	}
	engine.NoRoute(notFound(routes))
	engine.NoMethod(notAllowed(routes))
	for _, r := range routes {
		var chain gin.HandlersChain
		for _, l := range all {
			if everyRequest < l.scope && l.scope <= r.scope {
				chain = append(chain, l.handle)
			}
		}
		engine.Match(r.methods, r.path, append(chain, r.handle)...)
	}
	return engine, nil
}
