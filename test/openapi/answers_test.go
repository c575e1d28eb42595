package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/vendorsim"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// seen are the answers so far, "POST /llm 200", and their headers, "X-Request-Id" and "200 X-Request-Id".
type seen struct {
	mu  sync.Mutex
	all map[string]bool
}

func (s *seen) add(method, path, status string) {
	s.mu.Lock()
	s.all[method+" "+path+" "+status] = true
	s.mu.Unlock()
}

func (s *seen) addHeaders(status string, headers http.Header) {
	s.mu.Lock()
	for name := range headers {
		s.all[status+" "+name], s.all[name] = true, true
	}
	s.mu.Unlock()
}

// TestAnswersAreDescribed produces every status of every route and checks each answer against the document.
func TestAnswersAreDescribed(t *testing.T) {
	t.Parallel()
	got := &seen{all: map[string]bool{}}
	p := start(t)
	t.Cleanup(func() { p.allSeen(t, got); p.headersSeen(t, got) }) // after the subtests
	for name, test := range map[string]func(*testing.T, *seen){
		"a pod": serving, "small limits": smallLimits, "full": full, "the vendor fails": vendorFails, "jobs": withJobs,
		"draining": draining, "little is open": littleOpen, "slow": slow, "slow clients": slowClients,
		"results are dropped": dropped, "streams stall": stalled,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, got) })
	}
}

// elsewhere reports whether no process can be made to give a status: 500 takes a defect, and what is only looked at is
// not late. TestEveryRowOfTheStatusTable in internal/api has handlers give them, and holds them against the document;
// TestExamplesFitTheirSchemas has their documents, as the service writes them, before the same validator.
func elsewhere(method string, code int) bool {
	return code == http.StatusInternalServerError || code == http.StatusGatewayTimeout && method != "post"
}

// allSeen looks for statuses in the document that no answer had.
func (p *pod) allSeen(t *testing.T, got *seen) {
	t.Helper()
	for path, item := range p.model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			for status := range op.Responses.Codes.KeysFromOldest() {
				code, _ := strconv.Atoi(status)
				key := strings.ToUpper(method) + " " + path + " " + status
				if !got.all[key] && !elsewhere(method, code) {
					t.Errorf("nothing was answered like this: %s", key)
				}
			}
		}
	}
	t.Logf("%d kinds of answers and headers", len(got.all))
}

// check sends a request and checks the answer against the document: with the validator, and by the list of statuses.
func (p *pod) check(t *testing.T, got *seen, q question, want int) reply {
	t.Helper()
	r := p.ask(t, q)
	if r.response.StatusCode != want {
		t.Errorf("%s %s: status %d, want %d: %.300s", q.method, q.path, r.response.StatusCode, want, r.body)
		return r
	}
	path, status := p.route(t, q, want)
	got.add(q.method, path, status)
	got.addHeaders(status, r.response.Header)
	if status != "" {
		p.checkHeaders(t, q, path, status, r)
	}
	if want >= http.StatusBadRequest && path != "/ready" {
		p.checkProblem(t, q, r)
	}
	if kind := r.response.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/event-stream") {
		p.checkStream(t, q, path)
		return r // a stream is no document
	}
	if ok, errs := p.validator.ValidateHttpResponse(r.request, r.response); !ok {
		for _, e := range errs {
			t.Errorf("%s %s, status %d: %s: %s\n%.400s", q.method, q.path, want, e.Message, e.Reason, r.body)
		}
	}
	return r
}

// route returns the path in the document, and the name of the status there.
func (p *pod) route(t *testing.T, q question, status int) (path, name string) {
	t.Helper()
	asked, _, _ := strings.Cut(q.path, "?")
	for pattern, item := range p.model.Paths.PathItems.FromOldest() {
		op, ok := item.GetOperations().Get(strings.ToLower(q.method))
		if !ok || !matches(pattern, asked) {
			continue
		}
		for _, name := range []string{strconv.Itoa(status), fmt.Sprintf("%dXX", status/100)} {
			if _, ok := op.Responses.Codes.Get(name); ok {
				return pattern, name
			}
		}
		t.Errorf("%s %s: the document has no status %d", q.method, pattern, status)
		return pattern, ""
	}
	t.Errorf("the document has no %s %s", q.method, q.path)
	return "", ""
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") && g != "" })
}

// bodies returns a body for each route of a call: the first example in the document.
func (p *pod) bodies(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for path, item := range p.model.Paths.PathItems.FromOldest() {
		if item.Post == nil || item.Post.RequestBody == nil {
			continue
		}
		media, _ := item.Post.RequestBody.Content.Get("application/json")
		for _, example := range media.Examples.FromOldest() {
			var value any
			if err := example.Value.Decode(&value); err != nil {
				t.Fatal(err)
			}
			body, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			all[strings.Replace(path, "{deployment}", "demo", 1)] = string(body)
			break
		}
	}
	if len(all) < 7 {
		t.Fatalf("only these: %v", slices.Collect(maps.Keys(all)))
	}
	return all
}

// version is the header of Anthropic's clients.
var version = []string{"Anthropic-Version", "2023-06-01"}

// call is a call of a route by a client.
func call(path, body string) question {
	q := question{method: http.MethodPost, path: path, body: body, key: "dev-pro"}
	if strings.HasSuffix(path, "/messages") {
		q.headers = version
	}
	return q
}

// serving sends requests to a pod without faults.
func serving(t *testing.T, got *seen) {
	p := start(t)
	for path, body := range p.bodies(t) {
		q := call(path, body)
		p.check(t, got, q, http.StatusOK)
		for _, header := range []string{"Api-Key", "X-Api-Key"} { // beside the bearer's
			other := call(path, body)
			other.key, other.headers = "", append([]string{header, "dev-pro"}, version...)
			p.check(t, got, other, http.StatusOK)
			if ok, errs := p.validator.ValidateHttpRequest(other.request(t, p.url)); !ok {
				t.Errorf("%s with %s is no request of the document: %v", path, header, errs)
			}
		}
		q.key = "unknown"
		p.check(t, got, q, http.StatusUnauthorized)
		p.check(t, got, call(path, "{"), http.StatusBadRequest)
		p.check(t, got, call(path, "[]"), http.StatusUnprocessableEntity)
		q = call(path, body)
		q.headers = append([]string{"Content-Type", "text/plain"}, version...)
		p.check(t, got, q, http.StatusUnsupportedMediaType)
		q.headers = append([]string{"Idempotency-Key", strings.Repeat("k", 300)}, version...)
		p.check(t, got, q, http.StatusBadRequest)
		if ok, errs := p.validator.ValidateHttpRequest(call(path, body).request(t, p.url)); !ok {
			t.Errorf("the example of %s is no request of it: %v", path, errs)
		}
	}
	for path, body := range p.streamed(t) {
		r := p.check(t, got, call(path, body), http.StatusOK)
		if kind := r.response.Header.Get("Content-Type"); kind != "text/event-stream; charset=utf-8" {
			t.Errorf("%s streams as %q", path, kind)
		}
	}
	for _, path := range []string{"/health", "/ready", "/openapi.json", "/docs", "/redoc", "/docs/docs.js"} {
		q := question{method: http.MethodGet, path: path}
		tag := p.check(t, got, q, http.StatusOK).response.Header.Get("ETag")
		if tag != "" {
			q.headers = []string{"If-None-Match", tag}
			p.check(t, got, q, http.StatusNotModified)
		}
	}
	for _, q := range models {
		p.check(t, got, q, http.StatusOK)
		q.headers = []string{"X-Request-ID", strings.Repeat("k", 300)}
		p.check(t, got, q, http.StatusBadRequest)
		q.key, q.headers = "unknown", nil
		p.check(t, got, q, http.StatusUnauthorized)
	}
	for _, path := range []string{"/v1/models/none", "/openai/v1/models/none"} {
		p.check(t, got, question{method: http.MethodGet, path: path, key: "dev-pro"}, http.StatusNotFound)
	}
	p.check(t, got, question{method: http.MethodGet, path: "/docs/none.js"}, http.StatusNotFound)
	p.check(t, got, question{method: http.MethodGet, path: "/docs/swagger-ui.css",
		headers: []string{"Accept-Encoding", "br"}}, http.StatusNotAcceptable)
}

// streamed is the routes that can stream, with a body that asks for it.
func (p *pod) streamed(t *testing.T) map[string]string {
	t.Helper()
	all := p.bodies(t)
	for path, body := range all {
		if strings.Contains(path, "embeddings") || strings.Contains(path, "moderations") {
			delete(all, path)
			continue
		}
		all[path] = strings.Replace(body, "{", `{"stream":true,`, 1)
	}
	return all
}

// smallLimits sends more requests than a pod allows.
func smallLimits(t *testing.T, got *seen) {
	p := start(t, "LLM_MAX_BODY=200", "LLM_JOBS_LOOKS=1")
	for path, body := range p.bodies(t) {
		p.check(t, got, call(path, body+strings.Repeat(" ", 300)), http.StatusRequestEntityTooLarge)
		q := call(path, body)
		q.key = "dev-free" // one request a minute
		p.ask(t, q)
		p.check(t, got, q, http.StatusTooManyRequests)
	}
	p.ask(t, lookups("none")[0])
	for _, q := range lookups("none") {
		p.check(t, got, q, http.StatusTooManyRequests)
	}
	for _, q := range models {
		q.key = "dev-free"
		p.check(t, got, q, http.StatusTooManyRequests)
	}
}

// full sends requests to a pod that is full.
func full(t *testing.T, got *seen) {
	p := start(t, "LLM_ADMISSION_MAX=1")
	if err := p.AddFault(vendorsim.Fault{Kind: "hang"}); err != nil {
		t.Fatal(err)
	}
	held := call("/llm", p.bodies(t)["/llm"]).request(t, p.url)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := http.DefaultClient.Do(held); err == nil { // it ends with the test
			_ = resp.Body.Close()
		}
	}()
	t.Cleanup(func() { p.Close(); <-ended })
	await.True(t, "the vendor has the call", func() bool { return p.Stats().InFlight == 1 })
	for path, body := range p.bodies(t) {
		p.check(t, got, call(path, body), http.StatusServiceUnavailable)
	}
	for _, q := range append(lookups("none"), models...) {
		p.check(t, got, q, http.StatusServiceUnavailable)
	}
}

// lookups are the requests about jobs.
func lookups(id string) []question {
	return []question{
		{method: http.MethodGet, path: "/llm/jobs", key: "dev-pro"},
		{method: http.MethodGet, path: "/llm/jobs/" + id, key: "dev-pro"},
		{method: http.MethodDelete, path: "/llm/jobs/" + id, key: "dev-pro"},
	}
}

// models are the requests for the list of models.
var models = []question{
	{method: http.MethodGet, path: "/openai/v1/models", key: "dev-pro"},
	{method: http.MethodGet, path: "/openai/v1/models/demo", key: "dev-pro"},
	{method: http.MethodGet, path: "/v1/models", key: "dev-pro"},
	{method: http.MethodGet, path: "/v1/models/demo", key: "dev-pro"},
}

// vendorFails sends calls that the vendor does not serve, or with another status than 200.
func vendorFails(t *testing.T, got *seen) {
	for fault, want := range map[int]int{
		500: http.StatusBadGateway, 404: http.StatusNotFound, 418: http.StatusTeapot, 201: http.StatusCreated,
	} {
		p, does := start(t), vendorsim.Fault{Kind: "status", Status: fault}
		if fault == http.StatusCreated {
			made := &script.Answer{Status: fault, Body: []script.Piece{{Text: "made"}}}
			does = vendorsim.Fault{Kind: "answer", Answer: made}
		}
		if err := p.AddFault(does); err != nil {
			t.Fatal(err)
		}
		for path, body := range p.bodies(t) {
			q := call(path, body)
			q.passed = want < http.StatusInternalServerError
			p.check(t, got, q, want)
		}
	}
}

// withJobs submits jobs, looks at them and cancels them.
func withJobs(t *testing.T, got *seen) {
	p := start(t, "LLM_JOBS_LOOKS=0") // it looks again and again until the job has ended
	submit := call("/llm", p.bodies(t)["/llm"])
	submit.headers = []string{"Prefer", "respond-async"}
	place := p.check(t, got, submit, http.StatusAccepted).response.Header.Get("Location")
	id := place[strings.LastIndex(place, "/")+1:]
	look := lookups(id)
	p.check(t, got, look[0], http.StatusOK)
	await.True(t, "the job is done", func() bool {
		return strings.Contains(string(p.check(t, got, look[1], http.StatusOK).body), "succeeded")
	})
	p.check(t, got, look[2], http.StatusConflict)
	waits := look[1]
	waits.headers = []string{"Prefer", "wait=1"}
	if p.check(t, got, waits, http.StatusOK).response.Header.Get("Preference-Applied") == "" {
		t.Error("a look that would have waited does not say so")
	}
	hang := vendorsim.Fault{Kind: "hang"}
	if err := p.AddFault(hang); err != nil {
		t.Fatal(err)
	}
	place = p.check(t, got, submit, http.StatusAccepted).response.Header.Get("Location")
	p.check(t, got, question{method: http.MethodDelete, path: place, key: "dev-pro"}, http.StatusNoContent)
	p.check(t, got,
		question{method: http.MethodGet, path: "/llm/jobs?limit=0", key: "dev-pro"}, http.StatusUnprocessableEntity)
	for _, q := range lookups("none") {
		if q.path != "/llm/jobs" {
			p.check(t, got, q, http.StatusNotFound)
		}
		q.key = "unknown"
		p.check(t, got, q, http.StatusUnauthorized)
		q.key, q.headers = "dev-pro", []string{"X-Request-ID", strings.Repeat("k", 300)}
		p.check(t, got, q, http.StatusBadRequest)
	}
}

// littleOpen requests endpoints that are not open in a pod.
func littleOpen(t *testing.T, got *seen) {
	p := start(t, "LLM_JOBS_ENABLED=false", "LLM_ENDPOINTS=chat")
	for _, q := range append(lookups("none"), models...) {
		p.check(t, got, q, http.StatusNotFound)
	}
}

// draining sends requests to a pod after SIGTERM.
func draining(t *testing.T, got *seen) {
	p := start(t, "LLM_DRAIN_DELAY=10m", "LLM_SHUTDOWN_GRACE=30m")
	if err := p.process.Terminate(); err != nil {
		t.Fatal(err)
	}
	ready := question{method: http.MethodGet, path: "/ready"}
	await.True(t, "the pod drains", func() bool { return p.ask(t, ready).response.StatusCode != http.StatusOK })
	p.check(t, got, ready, http.StatusServiceUnavailable)
}
