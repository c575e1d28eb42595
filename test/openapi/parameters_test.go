package openapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// heeded says for each parameter in the document, where it is and what shows that the service heeds it.
var heeded = map[string]func(t *testing.T, p *pod){
	"path deployment":   atPath("/openai/deployments/demo/chat/completions", http.MethodPost),
	"path id":           atPath("/v1/models/demo", http.MethodGet),
	"path file":         atPath("/docs/docs.js", http.MethodGet),
	"query state":       jobsWith("state", "queued", "running", "succeeded", "failed", "cancelled", "poisoned"),
	"query limit":       jobsWith("limit", "1", "100"),
	"query api-version": versionGoesOn,
	"header X-Request-ID": func(t *testing.T, p *pod) {
		q := call("/llm", `{"model":"demo","messages":[]}`)
		q.headers = []string{"X-Request-ID", "mine"}
		if id := p.ask(t, q).response.Header.Get("X-Request-ID"); id != "mine" {
			t.Errorf("the request is called %q", id)
		}
	},
	"header Idempotency-Key": func(t *testing.T, p *pod) {
		first, second := p.job(t, "Idempotency-Key", "once"), p.job(t, "Idempotency-Key", "once")
		if first["id"] != second["id"] {
			t.Errorf("two jobs of one key: %v and %v", first, second)
		}
	},
	"header anthropic-version": func(t *testing.T, p *pod) {
		q := question{method: http.MethodGet, path: "/v1/models", key: "dev-pro", headers: version}
		if p.ask(t, q).response.Header.Get("Request-Id") == "" {
			t.Error("the version makes no client of Anthropic's")
		}
	},
	"header X-Priority": priorities("X-Priority", map[string]string{"high": "high", "normal": "normal", "low": "low"}),
	"header Priority":   priorities("Priority", map[string]string{"u=7": "low"}),
	"header Prefer": func(t *testing.T, p *pod) {
		if p.job(t)["state"] != "queued" {
			t.Error("respond-async makes no job")
		}
	},
}

// TestParametersAreHeeded: each parameter of the document, with each value that it names; and there are no others.
func TestParametersAreHeeded(t *testing.T) {
	t.Parallel()
	p := start(t, "LLM_JOBS_LOOKS=0")
	described := map[string]bool{}
	for item := range p.model.Paths.PathItems.ValuesFromOldest() {
		for op := range item.GetOperations().ValuesFromOldest() {
			for _, one := range op.Parameters {
				described[one.In+" "+one.Name] = true
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(heeded)); !slices.Equal(got, want) {
		t.Errorf("described are %q, heeded %q", got, want)
	}
	for _, name := range []string{"Prefer", "X-Priority", "Priority", "Idempotency-Key", "X-Request-ID"} {
		post := p.model.Paths.PathItems.GetOrZero("/llm").Post
		if !slices.ContainsFunc(post.Parameters, func(one *v3.Parameter) bool { return one.Name == name }) {
			t.Errorf("POST /llm has no %s", name)
		}
	}
	for name, heeds := range heeded {
		t.Run(name, func(t *testing.T) { t.Parallel(); heeds(t, p) })
	}
}

// TestKeysAreAskedFor: an operation answers 401 without a key exactly when the document says that it needs one.
func TestKeysAreAskedFor(t *testing.T) {
	t.Parallel()
	p := start(t)
	fill := strings.NewReplacer("{deployment}", "demo", "{id}", "none", "{file}", "docs.js")
	for path, item := range p.model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			q := question{method: strings.ToUpper(method), path: fill.Replace(path)}
			asked := p.ask(t, q).response.StatusCode == http.StatusUnauthorized
			if said := len(op.Security) > 0; asked != said {
				t.Errorf("%s %s asks for a key: %t; the document says %t", method, path, asked, said)
			}
		}
	}
}

// atPath asks for a path whose parameter has a value.
func atPath(path, method string) func(*testing.T, *pod) {
	return func(t *testing.T, p *pod) {
		q := question{method: method, path: path, key: "dev-pro"}
		if method == http.MethodPost {
			q.body = `{"messages":[]}`
		}
		if status := p.ask(t, q).response.StatusCode; status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// versionGoesOn to the vendor, as its clients' version of the API.
func versionGoesOn(t *testing.T, _ *pod) {
	asked := make(chan string, 10)
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.RawQuery
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"choices":[]}`))
	}))
	t.Cleanup(vendor.Close)
	p := start(t, "LLM_VENDOR_URL="+vendor.URL+"/v1")
	p.ask(t, question{method: http.MethodPost, path: "/openai/deployments/demo/chat/completions?api-version=2030-01-01",
		key: "dev-pro", body: `{"messages":[]}`})
	if query := <-asked; query != "api-version=2030-01-01" {
		t.Errorf("the vendor was asked with %q", query)
	}
}

// jobsWith lists jobs with values that are allowed, which the document must have, and one that is not.
func jobsWith(name string, values ...string) func(*testing.T, *pod) {
	return func(t *testing.T, p *pod) {
		for _, value := range append(values, "wrong") {
			q := question{method: http.MethodGet, path: "/llm/jobs?" + name + "=" + value, key: "dev-pro"}
			want := http.StatusOK
			if value == "wrong" {
				want = http.StatusUnprocessableEntity
			}
			if status := p.ask(t, q).response.StatusCode; status != want {
				t.Errorf("%s: %d, want %d", q.path, status, want)
			}
			if ok, errs := p.validator.ValidateHttpRequest(q.request(t, p.url)); ok != (value != "wrong") {
				t.Errorf("%s is a request of the document: %t, %v", q.path, ok, errs)
			}
		}
	}
}

// priorities makes a job with each value, and looks at its priority.
func priorities(header string, want map[string]string) func(*testing.T, *pod) {
	return func(t *testing.T, p *pod) {
		for value, priority := range want {
			if got := p.job(t, header, value)["priority"]; got != priority {
				t.Errorf("%s: %s makes the priority %v, want %s", header, value, got, priority)
			}
			q := call("/llm", `{"model":"demo","messages":[]}`)
			q.headers = []string{header, value}
			if ok, errs := p.validator.ValidateHttpRequest(q.request(t, p.url)); !ok {
				t.Errorf("%s: %s is no request of the document: %v", header, value, errs)
			}
		}
	}
}

// job makes a job and returns its document.
func (p *pod) job(t *testing.T, headers ...string) map[string]any {
	t.Helper()
	q := call("/llm", `{"model":"demo","messages":[]}`)
	q.headers = append([]string{"Prefer", "respond-async"}, headers...)
	r := p.ask(t, q)
	var document map[string]any
	if err := json.Unmarshal(r.body, &document); err != nil || r.response.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", r.response.StatusCode, r.body)
	}
	return document
}
