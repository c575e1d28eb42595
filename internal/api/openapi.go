package api

import (
	"bytes"
	_ "embed" // the written part of the description
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
)

// written is the part of the description that is written by hand: paths, parameters, headers, schemas. What is said
// about problems is made from the table of problems, so that the two cannot differ:
//
//	components.responses  an answer for each kind of route and each status, such as "call-429"; the paths refer to them
//	components.examples   an error document for each code
//	schemas.Code          the list of codes
//
//go:embed openapi.json
var written []byte

// openAPI is the description in its order of members.
type openAPI struct {
	OpenAPI    string          `json:"openapi"`
	Info       json.RawMessage `json:"info"`
	Servers    json.RawMessage `json:"servers"`
	Tags       json.RawMessage `json:"tags,omitempty"`
	Paths      json.RawMessage `json:"paths"`
	Components components      `json:"components"`
}

type components struct {
	SecuritySchemes json.RawMessage            `json:"securitySchemes"`
	Parameters      json.RawMessage            `json:"parameters"`
	Headers         json.RawMessage            `json:"headers"`
	Schemas         map[string]json.RawMessage `json:"schemas"`
	Responses       map[string]response        `json:"responses"`
	Examples        map[string]example         `json:"examples"`
}

type response struct {
	Description string         `json:"description"`
	Headers     map[string]ref `json:"headers"`
	Content     content        `json:"content"`
}

// content is the bodies of an answer, by their types, in their order: a page shows the first one.
type content []media

type media struct {
	kind     string         // its type
	Schema   any            `json:"schema"`
	Examples map[string]ref `json:"examples,omitempty"`
}

// MarshalJSON writes an object whose members are in the order of c.
func (c content) MarshalJSON() ([]byte, error) {
	b := []byte("{")
	for i, m := range c {
		if i > 0 {
			b = append(b, ',')
		}
		text, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		b = append(strconv.AppendQuote(b, m.kind), ':')
		b = append(b, text...)
	}
	return append(b, '}'), nil
}

type ref struct {
	Ref string `json:"$ref"`
}

type example struct {
	Summary string          `json:"summary"`
	Value   json.RawMessage `json:"value"`
}

// description returns the whole description as JSON.
func description() ([]byte, error) {
	var d openAPI
	if err := json.Unmarshal(withStalled(written), &d); err != nil {
		return nil, fmt.Errorf("reading the description of the API: %w", err)
	}
	d.Components.Responses, d.Components.Examples = map[string]response{}, map[string]example{}
	for _, k := range kinds {
		d.Components.add(k)
	}
	var codes struct {
		Type         string   `json:"type"`
		Description  string   `json:"description"`
		Enum         []string `json:"enum"`
		Descriptions []string `json:"x-enum-descriptions"`
	}
	codes.Type, codes.Description = "string", "Stable, for programs."
	for _, p := range allProblems() {
		if !slices.Contains(codes.Enum, p.code) {
			codes.Enum, codes.Descriptions = append(codes.Enum, p.code), append(codes.Descriptions, p.title)
		}
	}
	var err error
	if d.Paths, err = withAzure(d.Paths); err != nil {
		return nil, fmt.Errorf("describing Azure's paths: %w", err)
	}
	d.Components.prune(d.Paths)
	if d.Components.Schemas["Code"], err = json.Marshal(codes); err != nil {
		return nil, err
	}
	return json.MarshalIndent(d, "", " ")
}

// withStalled puts the last event of a stream that stalls where the written part has a mark for it.
func withStalled(written []byte) []byte {
	for mark, event := range map[string]string{
		"llm":      "event: error\ndata: " + string(streamIdle.example(dialectOpenAI)),
		"call":     "data: " + string(streamIdle.example(dialectOpenAI)),
		"messages": "event: error\ndata: " + string(streamIdle.example(dialectAnthropic)),
	} {
		text := appendJSONString(nil, event+"\n")
		written = bytes.ReplaceAll(written, []byte("{{stalled-"+mark+"}}"), text[1:len(text)-1])
	}
	return written
}

// docsFile serves a file of the pages that show the description.
func (s *server) docsFile(c *gin.Context) {
	if !s.docs.Part(c.Writer, c.Request) {
		fail(c, rejected(reasonNotFound))
	}
}

// allProblems is every problem that a client can meet, by status and code.
func allProblems() []problem {
	all := append(slices.Collect(maps.Values(rejections)), vendorFailed, vendorAuth, vendorQuota,
		answerTooLarge, streamIdle, streamTooLong, internalError)
	all = slices.DeleteFunc(all, func(p problem) bool { return p.status == statusClosed })
	slices.SortFunc(all, func(a, b problem) int {
		return 2*(a.status-b.status) + strings.Compare(a.code, b.code)
	})
	return all
}

// add describes the problems of a kind of routes.
func (c components) add(k kind) {
	for _, p := range allProblems() {
		if inEvents[p.code] || !k.takes(p.code) && p.code != internalError.code {
			continue
		}
		name := p.code
		if k.dialect != dialectOpenAI {
			name = k.name + "-" + name
		}
		if other, taken := c.Examples[name]; taken &&
			!strings.Contains(string(other.Value), `"status":`+strconv.Itoa(p.status)) {
			name += "-" + strconv.Itoa(p.status) // one code with two statuses
		}
		c.Examples[name] = example{p.title, p.example(k.dialect)}
		key := k.name + "-" + strconv.Itoa(p.status)
		r, ok := c.Responses[key]
		if !ok {
			r = newResponse(k, p.status)
		} else {
			r.Description += ","
		}
		r.Description += " " + p.code
		r.Content[0].Examples[name] = ref{"#/components/examples/" + name}
		c.Responses[key] = r
	}
}

// prune removes the answers that no path refers to. Their examples stay.
func (c components) prune(paths json.RawMessage) {
	for name := range c.Responses {
		if !bytes.Contains(paths, []byte(`"#/components/responses/`+name+`"`)) {
			delete(c.Responses, name)
		}
	}
}

// newResponse is the answer of a kind of routes with a status, without its codes yet.
func newResponse(k kind, status int) response {
	headers := k.headers(status)
	schema := any(ref{"#/components/schemas/Problem"})
	if k.dialect == dialectAnthropic {
		schema = ref{"#/components/schemas/AnthropicProblem"}
	}
	r := response{Description: http.StatusText(status), Headers: headers}
	own := media{kind: k.contentType, Schema: schema, Examples: map[string]ref{}}
	if k.calls && status < http.StatusInternalServerError {
		r.Description += ", or the vendor's own answer with this status"
		vendors := ref{"#/components/schemas/VendorError"}
		own.Schema = map[string]any{"anyOf": []any{schema, vendors}}
		r.Content = content{own, {kind: "*/*", Schema: vendors}}
	} else {
		r.Content = content{own}
	}
	r.Description += ". Codes:"
	return r
}

// example is a document of this problem as a client could get it.
func (p problem) example(d dialect) json.RawMessage {
	if busy := p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable; busy && !p.final {
		p.retryAfter = 2 * time.Second
	}
	if p.code == vendorFailed.code {
		p = vendorProblem(&llm.VendorError{Kind: llm.KindStatus, Status: http.StatusInternalServerError, Attempts: 3})
	}
	return p.document(d, "5b0e7c1a9f3d4e28")
}
