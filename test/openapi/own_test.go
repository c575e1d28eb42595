package openapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// everywhere are headers that no answer describes: HTTP's own, and those that speak to browsers and caches.
var everywhere = []string{"Cache-Control", "Connection", "Content-Encoding", "Content-Length",
	"Content-Security-Policy", "Content-Type", "Date", "Etag", "Referrer-Policy", "Transfer-Encoding", "Vary",
	"X-Accel-Buffering", "X-Content-Type-Options"}

// answer is the description of an answer with a status, at a path of the document.
func (p *pod) answer(q question, path, status string) *v3.Response {
	op, _ := p.model.Paths.PathItems.GetOrZero(path).GetOperations().Get(strings.ToLower(q.method))
	return op.Responses.Codes.GetOrZero(status)
}

// checkHeaders compares the headers of an answer with those of its description: none is missing that it must have, and
// it has no others.
func (p *pod) checkHeaders(t *testing.T, q question, path, status string, r reply) {
	t.Helper()
	described := []string{}
	for name, header := range p.answer(q, path, status).Headers.FromOldest() {
		name = http.CanonicalHeaderKey(name)
		described = append(described, name)
		if _, sent := r.response.Header[name]; header.Required && !sent {
			t.Errorf("%s %s, status %s: no header %s", q.method, path, status, name)
		}
	}
	for name := range r.response.Header {
		if !slices.Contains(described, name) && !slices.Contains(everywhere, name) {
			t.Errorf("%s %s, status %s: the header %s is not described", q.method, path, status, name)
		}
	}
}

// headersSeen looks for headers in the document that no answer had. Most answers may lack most of them; those that are
// listed here come with these statuses.
func (p *pod) headersSeen(t *testing.T, got *seen) {
	t.Helper()
	for name := range p.model.Components.Headers.KeysFromOldest() {
		name = http.CanonicalHeaderKey(name)
		ofTokens := strings.HasSuffix(name, "-Tokens") // no tier has such a limit here: internal/api/tokens_test.go
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

// checkProblem holds a refusal of the service's own to the schema of problems, because its description also takes what
// a vendor answers, which may be anything.
func (p *pod) checkProblem(t *testing.T, q question, r reply) {
	t.Helper()
	if q.passed || strings.HasPrefix(q.path, "/docs") { // which is for people
		return
	}
	name, ofAnthropic := "Problem", r.request.Header.Get("Anthropic-Version") != ""
	if strings.HasSuffix(q.path, "/messages") || ofAnthropic && strings.Contains(q.path, "/models") {
		name = "AnthropicProblem"
	}
	var document any
	if err := json.Unmarshal(r.body, &document); err != nil {
		t.Errorf("%s %s: %v: %.300s", q.method, q.path, err, r.body)
		return
	}
	code := fmt.Sprint(field(document, "code"))
	if codes := p.codes(t, q, r.response); codes != nil && !slices.Contains(codes, code) {
		t.Errorf("%s %s has the code %s, described are %q", q.method, q.path, code, codes)
	}
	schema := p.model.Components.Schemas.GetOrZero(name).Schema()
	if ok, errs := schema_validation.NewSchemaValidator().ValidateSchemaObject(schema, document); !ok {
		for _, e := range errs {
			t.Errorf("%s %s is no %s: %s: %s\n%.400s", q.method, q.path, name, e.Message, e.Reason, r.body)
		}
	}
}

// codes are those that the description has for an answer, in its examples; nil for what is no answer.
func (p *pod) codes(t *testing.T, q question, response *http.Response) (codes []string) {
	t.Helper()
	if response == nil { // an event
		return nil
	}
	path, status := p.route(t, q, response.StatusCode)
	for media := range p.answer(q, path, status).Content.ValuesFromOldest() {
		for example := range media.Examples.ValuesFromOldest() {
			var document any
			if err := example.Value.Decode(&document); err != nil {
				t.Fatal(err)
			}
			codes = append(codes, fmt.Sprint(field(document, "code")))
		}
	}
	return codes
}

// field is a member of an object; nil when there is none.
func field(document any, name string) any {
	members, _ := document.(map[string]any)
	return members[name]
}

// checkStream: the description of a route that streams says so.
func (p *pod) checkStream(t *testing.T, q question, path string) {
	t.Helper()
	if _, ok := p.answer(q, path, "200").Content.Get("text/event-stream"); !ok {
		t.Errorf("%s %s is a stream, which is not described", q.method, path)
	}
}

// stalled asks for streams that stop in the middle: the last event of each has a problem.
func stalled(t *testing.T, _ *seen) {
	p := start(t, "LLM_STREAM_IDLE=300ms")
	if err := p.AddFault(vendorsim.Fault{Kind: "stall", Chunks: 3}); err != nil {
		t.Fatal(err)
	}
	for path, body := range p.streamed(t) {
		q := call(path, body)
		response, err := http.DefaultClient.Do(q.request(t, p.url))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body) // as far as it comes
		_ = response.Body.Close()
		if err == nil {
			t.Errorf("%s: a stream that stalled has come to its end", path)
		}
		events := strings.Split(strings.TrimSpace(string(text)), "\n\n")
		last := events[len(events)-1]
		named, document, _ := strings.Cut("\n"+last, "\ndata: ")
		isNamed := path == "/llm" || strings.HasSuffix(path, "messages") // OpenAI's clients know no name
		if (named == "\nevent: error") != isNamed {
			t.Errorf("%s: the last event is named %q", path, named)
		}
		p.checkProblem(t, q, reply{request: q.request(t, p.url), body: []byte(document)})
		if !strings.Contains(document, `"code":"stream_idle"`) {
			t.Errorf("%s: the last event is %s", path, last)
		}
	}
}
