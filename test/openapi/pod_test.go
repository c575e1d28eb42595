package openapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// binary is the path of the server program. TestMain builds it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(proctest.WithBinary("../..", "./cmd/server", func(path string) int {
		binary = path
		return m.Run()
	}))
}

// pod is a server process with its own vendor, and the OpenAPI document that it serves.
type pod struct {
	*vendorsim.Server // the vendor
	process           *proctest.Process
	url               string
	document          []byte
	model             *v3.Document
	validator         validator.Validator
}

// start starts a pod with one vendor that has every endpoint. It makes one attempt for each call. The settings
// ("NAME=value") are added to those of --dev.
func start(t *testing.T, settings ...string) *pod {
	t.Helper()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	process := proctest.Launch(t, proctest.Program{Path: binary, Args: []string{"--dev"}, Env: append([]string{
		"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0",
		"LLM_VENDOR_URL=" + strings.TrimSuffix(sim.URL, "/chat/completions"),
		"LLM_RETRY_MAX=0", "LLM_BREAKER_FAILURES=10000", "LLM_TIER_RATES=free:1,pro:100000,enterprise:100000",
	}, settings...)})
	if err := process.Serving(); err != nil {
		t.Fatal(err)
	}
	p := &pod{Server: sim, process: process, url: process.URL}
	p.document = p.ask(t, question{method: http.MethodGet, path: "/openapi.json"}).body
	document, err := libopenapi.NewDocument(closed(t, p.document))
	if err != nil {
		t.Fatal(err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	p.model = &model.Model
	var troubles []error
	if p.validator, troubles = validator.NewValidator(document); len(troubles) > 0 {
		t.Fatal(troubles)
	}
	return p
}

// closed is the document with every object closed that is not open by its own words. What a vendor answers has no
// members in the document, and stays as it is. Readers of the document should ignore members that they do not know; the
// service itself must send none that the document does not have.
func closed(t *testing.T, document []byte) []byte {
	t.Helper()
	var all any
	if err := json.Unmarshal(document, &all); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			_, isOpen := v["additionalProperties"]
			if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" && !isOpen {
				v["additionalProperties"] = false
			}
			for _, one := range v {
				walk(one)
			}
		case []any:
			for _, one := range v {
				walk(one)
			}
		}
	}
	walk(all)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// question is one request. Headers are given as name, value, name, value.
type question struct {
	method, path, body string
	headers            []string
	key                string        // of the client; empty means none
	unsent             chan struct{} // nil: the whole body is sent. Else a byte of it is, and the rest never
	passed             bool          // a refusal is the vendor's own, passed on
}

// reply is the answer to a request, with its body.
type reply struct {
	request  *http.Request
	response *http.Response
	body     []byte
}

func (q question) request(t *testing.T, base string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, base+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	if q.unsent != nil { // with the length of the whole
		r.Body = io.NopCloser(&late{strings.NewReader(q.body[:1]), q.unsent})
	}
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.key != "" {
		r.Header.Set("Authorization", "Bearer "+q.key)
	}
	for i := 0; i < len(q.headers); i += 2 {
		r.Header.Set(q.headers[i], q.headers[i+1])
	}
	return r
}

func (p *pod) ask(t *testing.T, q question) reply {
	t.Helper()
	response, err := http.DefaultClient.Do(q.request(t, p.url))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return reply{q.request(t, p.url), response, body}
}
