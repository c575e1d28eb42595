package openapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// headersSeen looks for headers in the document that no answer had. Most answers may lack most of them; those that are
// listed here come with these statuses.
func (p *pod) headersSeen(t *testing.T, got *seen) {
	t.Helper()
	for name := range p.model.Components.Headers.KeysFromOldest() {
		name = http.CanonicalHeaderKey(name)
		ofTokens := strings.HasSuffix(name, "-Tokens") // tiers have no such limit here; see tokens_test.go in internal/api
		if !got.all[name] && !ofTokens {
			t.Errorf("no answer had the header %s", name)
		}
	}
	for _, key := range []string{"200 X-Ratelimit-Limit", "202 Retry-After", "429 Retry-After", "503 Retry-After"} {
		if !got.all[key] {
			t.Errorf("no answer had this header: %s", key)
		}
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

// TestListedValuesAreTaken: each value that the document lists for a parameter has its effect, and others are refused.
func TestListedValuesAreTaken(t *testing.T) {
	t.Parallel()
	p := start(t)
	submit := call("/llm", p.bodies(t)["/llm"])
	prefer, priority := p.parameter(t, "/llm", "post", "Prefer"), p.parameter(t, "/llm", "post", "X-Priority")
	for _, value := range values(t, priority) {
		submit.headers = []string{prefer.Name, "respond-async", priority.Name, value}
		r := p.ask(t, submit)
		var job struct{ Priority string }
		if err := json.Unmarshal(r.body, &job); err != nil || r.response.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %d %s, %v", value, r.response.StatusCode, r.body, err)
		}
		if job.Priority != value {
			t.Errorf("%s %s makes a job of priority %q", priority.Name, value, job.Priority)
		}
	}
	state, listed := p.parameter(t, "/llm/jobs", "get", "state"), 0
	for _, value := range values(t, state) {
		r := p.ask(t, question{method: http.MethodGet, path: "/llm/jobs?" + state.Name + "=" + value, key: "dev-pro"})
		var list struct{ Jobs []struct{ State string } }
		if err := json.Unmarshal(r.body, &list); err != nil || r.response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s, %v", value, r.response.StatusCode, r.body, err)
		}
		for _, job := range list.Jobs {
			listed++
			if job.State != value {
				t.Errorf("a job that is %s is among those that are %s", job.State, value)
			}
		}
	}
	if listed == 0 {
		t.Error("no job is in any state")
	}
	other := question{method: http.MethodGet, path: "/llm/jobs?" + state.Name + "=lost", key: "dev-pro"}
	if r := p.ask(t, other); r.response.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a state that is none: %d", r.response.StatusCode)
	}
}

// parameter is a parameter of an operation, which must have it.
func (p *pod) parameter(t *testing.T, path, method, name string) *v3.Parameter {
	t.Helper()
	op, _ := p.model.Paths.PathItems.GetOrZero(path).GetOperations().Get(method)
	i := slices.IndexFunc(op.Parameters, func(one *v3.Parameter) bool { return one.Name == name })
	if i < 0 {
		t.Fatalf("%s %s has no parameter %s", method, path, name)
	}
	return op.Parameters[i]
}

// values are those that a parameter may have.
func values(t *testing.T, parameter *v3.Parameter) (all []string) {
	t.Helper()
	for _, node := range parameter.Schema.Schema().Enum {
		all = append(all, node.Value)
	}
	if len(all) < 2 {
		t.Fatalf("%s has these values: %v", parameter.Name, all)
	}
	return all
}
