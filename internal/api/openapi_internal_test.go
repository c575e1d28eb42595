package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// described is what the tests read of the description.
type described struct {
	OpenAPI    string
	Paths      map[string]map[string]operation
	Components struct {
		Responses map[string]answered
		Examples  map[string]struct {
			Value struct {
				Code   string
				Status int
				Error  struct{ Message, Type string }
			}
		}
		Schemas struct {
			Code struct{ Enum []string }
		}
	}
}

type operation struct {
	OperationID string
	Security    []map[string][]string
	RequestBody *struct {
		Content map[string]struct {
			Example  any
			Examples map[string]any
		}
	}
	Responses map[string]answered
}

// answered is an answer, or a reference to one.
type answered struct {
	Ref     string `json:"$ref"`
	Content map[string]struct {
		Examples map[string]struct {
			Ref string `json:"$ref"`
		}
	}
}

func readDescription(t *testing.T) (d described, text []byte) {
	t.Helper()
	text, err := description()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d, text
}

// codes are those that an answer may have, as its examples say.
func (d described) codes(a answered) (codes []string) {
	if name, ok := strings.CutPrefix(a.Ref, "#/components/responses/"); ok {
		a = d.Components.Responses[name]
	}
	for _, c := range a.Content {
		for _, e := range c.Examples {
			if name, ok := strings.CutPrefix(e.Ref, "#/components/examples/"); ok {
				codes = append(codes, d.Components.Examples[name].Value.Code)
			}
		}
	}
	return codes
}

// TestOpenAPIHasEveryRoute, and no route that is not there.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	t.Parallel()
	var served, listed []string
	for _, r := range new(server).routes() {
		for _, method := range r.methods {
			if method != http.MethodHead { // implied by GET
				path := documented(r.path)
				served = append(served, method+" "+path)
				for _, azure := range azurePathsOf(method, path) {
					served = append(served, method+" "+azure)
				}
			}
		}
	}
	d, _ := readDescription(t)
	for path, methods := range d.Paths {
		for method, op := range methods {
			listed = append(listed, strings.ToUpper(method)+" "+path)
			if op.OperationID == "" {
				t.Errorf("%s %s has no operationId", method, path)
			}
			if op.RequestBody == nil {
				continue
			}
			if c := op.RequestBody.Content["application/json"]; c.Example == nil && len(c.Examples) == 0 {
				t.Errorf("%s %s has no example", method, path)
			}
		}
	}
	slices.Sort(served)
	slices.Sort(listed)
	if !slices.Equal(served, listed) {
		t.Errorf("served: %v\nlisted: %v", served, listed)
	}
}

// TestOpenAPIHasEveryCode: with an example of its own, in the list of codes, and at each route for calls that may give
// it.
func TestOpenAPIHasEveryCode(t *testing.T) {
	t.Parallel()
	d, _ := readDescription(t)
	shown := map[string]bool{}
	for name, e := range d.Components.Examples {
		shown[strconv.Itoa(e.Value.Status)+" "+e.Value.Code] = true
		if e.Value.Error.Message == "" || e.Value.Error.Type == "" {
			t.Errorf("the example %s has no error for SDKs", name)
		}
	}
	_, text := readDescription(t)
	for _, p := range allProblems() {
		if inEvents[p.code] {
			if !slices.Contains(d.Components.Schemas.Code.Enum, p.code) || !strings.Contains(string(text), p.code+",") {
				t.Errorf("%s is not described", p.code)
			}
			continue
		}
		if !shown[strconv.Itoa(p.status)+" "+p.code] || !slices.Contains(d.Components.Schemas.Code.Enum, p.code) {
			t.Errorf("%d %s is not described", p.status, p.code)
		}
		for path, k := range map[string]kind{"/llm": kinds[0], "/v1/chat/completions": kinds[1]} {
			codes := d.codes(d.Paths[path]["post"].Responses[strconv.Itoa(p.status)])
			if k.takes(p.code) && !slices.Contains(codes, p.code) {
				t.Errorf("%s: %d does not name %s, only %v", path, p.status, p.code, codes)
			}
		}
	}
}

func TestOpenAPIRefersToWhatExists(t *testing.T) {
	t.Parallel()
	var doc any
	_, text := readDescription(t)
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{}
	for _, m := range regexp.MustCompile(`"\$ref": "#/([^"]+)"`).FindAllSubmatch(text, -1) {
		refs[string(m[1])] = true
	}
	for name := range refs {
		at := doc
		for part := range strings.SplitSeq(name, "/") {
			object, _ := at.(map[string]any)
			at = object[part]
		}
		if at == nil {
			t.Errorf("%s leads nowhere", name)
		}
	}
	d, _ := readDescription(t)
	for name := range maps.Keys(d.Components.Responses) {
		if !refs["components/responses/"+name] {
			t.Errorf("no route answers with %s", name)
		}
	}
}

// TestProblemsAreShownFirst: pages show the first type of an answer's bodies, which has the examples.
func TestProblemsAreShownFirst(t *testing.T) {
	t.Parallel()
	_, text := readDescription(t)
	var d struct {
		Components struct {
			Responses map[string]struct{ Content json.RawMessage }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for name, r := range d.Components.Responses {
		var content map[string]struct{ Examples map[string]any }
		if err := json.Unmarshal(r.Content, &content); err != nil {
			t.Fatal(err)
		}
		first := strings.SplitN(string(r.Content), `"`, 3)[1]
		if len(content[first].Examples) == 0 {
			t.Errorf("%s: %s comes first and has no example", name, first)
		}
	}
}

// TestNoHeaderIsFilledIn: Swagger UI sends a parameter's example, and a Prefer that was not asked for would make each
// call that is tried out a job. What a path needs is filled in, so that it can be tried.
func TestNoHeaderIsFilledIn(t *testing.T) {
	t.Parallel()
	_, text := readDescription(t)
	var d struct {
		Components struct {
			Parameters map[string]struct {
				In                string
				Example, Examples any
			}
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for name, p := range d.Components.Parameters {
		if filled := p.Example != nil || p.Examples != nil; filled != (p.In == "path") {
			t.Errorf("%s, which is in the %s, has an example: %t", name, p.In, filled)
		}
	}
}

// TestEveryProblemSaysWhatToDo, whatever its layer says.
func TestEveryProblemSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, p := range allProblems() {
		// Which is given its detail with the attempts.
		if p.title == "" || p.detail == "" && p.code != vendorFailed.code {
			t.Errorf("%+v", p)
		}
	}
}
