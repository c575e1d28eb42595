// Package dialect reads the requests of the vendors' APIs, and writes answers in their formats.
//
//	endpoint.go   the table of endpoints, and their paths
//	request.go    reads requests; messages.go, tools.go: parts of them
//	reply.go      the model's reply: a text, a call of a tool, or an instance of a schema (sample.go)
//	usage.go      the usage
//	chat.go, completions.go, responses.go, anthropic.go, embeddings.go, moderations.go, models.go
//	              the answers, whole and as streams
//	failure.go    errors, in OpenAI's and in Anthropic's format
//
// It does no I/O and does not know contracts and faults: package vendorsim decides what happens to a call.
package dialect

import (
	"net/http"
	"regexp"
	"strings"
)

// Endpoint is one kind of call that a vendor answers.
type Endpoint struct {
	Name      string // as in Config.Endpoints
	Method    string
	Anthropic bool // its errors, headers and usage are Anthropic's
	Free      bool // it costs no tokens and no request of the contract

	path   string // end of its paths
	many   bool   // it can have several choices (n)
	whole  func(b []byte, a *Answer) []byte
	stream func(a *Answer) stream // nil: it does not stream
}

// stream writes the events of a streamed answer.
type stream interface {
	// piece appends the events of one piece of the text. first is true for the first piece of each choice. The first
	// piece of the first choice comes with the beginning of the answer.
	piece(b []byte, choice int, first bool, text string) []byte
	// end appends everything after the last piece.
	end(b []byte) []byte
}

// Endpoints returns all endpoints. Where one path is the end of another, the longer one comes first.
func Endpoints() []*Endpoint { return endpoints }

var endpoints = []*Endpoint{
	{
		Name: "chat", Method: http.MethodPost, path: "/chat/completions", many: true,
		whole: wholeChat, stream: newChatStream,
	},
	{
		Name: "completions", Method: http.MethodPost, path: "/completions", many: true,
		whole: wholeText, stream: newTextStream,
	},
	{Name: "responses", Method: http.MethodPost, path: "/responses", whole: wholeResponse, stream: newResponseStream},
	{Name: "embeddings", Method: http.MethodPost, path: "/embeddings", whole: wholeEmbeddings},
	{Name: "moderations", Method: http.MethodPost, path: "/moderations", whole: wholeModerations},
	{
		Name: "messages", Method: http.MethodPost, Anthropic: true, path: "/messages",
		whole: wholeMessage, stream: newMessageStream,
	},
	{
		Name: "count_tokens", Method: http.MethodPost, Anthropic: true, Free: true, path: "/messages/count_tokens",
		whole: wholeCount,
	},
	{Name: "models", Method: http.MethodGet, Free: true, path: "/models"},
}

// Path is the meaning of a path.
type Path struct {
	Endpoint *Endpoint // nil: there is none
	Model    string    // of Azure's deployments, or of GET /v1/models/{id}
	Azure    bool      // the query must have an api-version
}

// form is a path before the part that names the endpoint: a lane's own prefix, Azure's, and the version.
var form = regexp.MustCompile(`^(/[\w.~-]+)?(?:/openai/deployments/([^/]+)|(?:/openai)?(?:/v1)?)$`)

// Find reads the path of a request.
func Find(method, path string) Path {
	for _, e := range endpoints {
		if e.Method != method {
			continue
		}
		before, ok := strings.CutSuffix(path, e.path)
		id := ""
		if !ok && e.Name == "models" {
			before, id, ok = cutLast(path, e.path+"/")
		}
		if ok && before == "/v1" { // the usual case, without the pattern
			return Path{Endpoint: e, Model: id}
		}
		parts := form.FindStringSubmatch(before)
		if !ok || parts == nil || parts[1] == "/v1" {
			continue
		}
		if parts[2] != "" {
			return Path{e, parts[2], true}
		}
		return Path{Endpoint: e, Model: id}
	}
	return Path{}
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Whole appends the answer to a request without "stream": true.
func (e *Endpoint) Whole(b []byte, a *Answer) []byte { return e.whole(b, a) }

// Streams reports whether the endpoint can stream.
func (e *Endpoint) Streams() bool { return e.stream != nil }
