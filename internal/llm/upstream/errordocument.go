package upstream

import (
	"strconv"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// errorDocument is an error document of a vendor, in any of these shapes:
//
//	{"error": {"message": …, "type": …, "code": …}}                      OpenAI, Azure, OpenRouter (its code is a number), vLLM
//	{"type": "error", "error": {"type": …, "message": …}}                Anthropic
//	{"type": "error", "code": …, "message": …}                           an event of OpenAI's Responses
//	{"response": {"error": {"code": …, "message": …}}}                   the last event of OpenAI's Responses
//	{"object": "error", "message": …, "type": …, "code": 400}            vLLM before 0.10
//	[{"error": {"code": 429, "status": …, "details": […]}}]              Gemini
//
// Only texts that look like names are kept: an error's message may repeat a key or a prompt.
type errorDocument struct {
	found      bool          // there is an error
	code       string        // a name such as rate_limit_exceeded
	kind       string        // a name such as rate_limit_error
	number     int           // a code that is an HTTP status
	reason     string        // Gemini's, such as API_KEY_INVALID
	requestID  string        // Anthropic's
	retryDelay time.Duration // Gemini's
	credit     bool          // the message says that the account has no credit, as Anthropic's does
	tooLarge   bool          // the message says that this one request is above the whole limit, as OpenAI's does
	param      bool          // the error names a parameter of the request
}

// errorDepth is how deep the values of an error document may stand.
const errorDepth = 6

// add takes one value of the document. It sees the parts of a value before the value itself.
func (d *errorDocument) add(m jsonscan.Member) {
	of, key := string(m.Of), string(m.Key)
	switch {
	case key == "error" && (m.Depth == 1 || m.Depth == 2 && (of == "" || of == "response")):
		d.found = d.found || holdsSomething(m)
	case of == "error" && m.Depth <= 3:
		d.set(key, m)
	case of == "details" && key == "reason":
		d.reason = identifier(m.Text())
	case of == "details" && key == "retryDelay":
		d.retryDelay, _ = time.ParseDuration(m.Text())
	case m.Depth == 1 && (key == "type" || key == "object") && m.Text() == "error":
		d.found = true
	case m.Depth == 1 && key == "request_id":
		d.requestID = identifier(m.Text())
	case m.Depth == 1 && key == "message":
		d.set(key, m)
	case m.Depth == 1 && (key == "code" || key == "type"):
		if d.code == "" && d.kind == "" {
			d.set(key, m)
		}
	}
}

// set takes one member of the error.
func (d *errorDocument) set(key string, m jsonscan.Member) {
	switch key {
	case "code":
		if n := int(m.Float()); m.Kind() == jsonscan.Number && n >= 400 && n < 600 {
			d.number = n
		} else if n, err := strconv.Atoi(m.Text()); err == nil && n >= 400 && n < 600 {
			d.number = n
		} else if d.code == "" {
			d.code = identifier(m.Text())
		}
	case "type", "status": // the latter is Gemini's
		if d.kind == "" {
			d.kind = identifier(m.Text())
		}
	case "message":
		text := m.Text()
		d.credit = d.credit || strings.Contains(text, "credit balance is too low")
		d.tooLarge = d.tooLarge || strings.Contains(text, "Request too large for ")
	case "param":
		d.param = m.Kind() == jsonscan.String
	}
}

// readError reads an error document. Anything else gives the zero value.
func readError(body []byte) errorDocument {
	var d errorDocument
	if (jsonscan.Scanner{Depth: errorDepth, Visit: d.add}).Scan(withoutMark(body)) != nil {
		return errorDocument{}
	}
	return d
}

// holdsSomething reports whether m is neither null, nor empty, nor false.
func holdsSomething(m jsonscan.Member) bool {
	switch m.Kind() {
	case jsonscan.Null, jsonscan.False:
		return false
	case jsonscan.String, jsonscan.Array, jsonscan.Object:
		return len(m.Value) > len(`""`)
	case jsonscan.True, jsonscan.Number:
	}
	return true
}

// longestIdentifier bounds a name, in bytes.
const longestIdentifier = 128

// identifier is s when it can be the name of an error or of a request, else empty. A sentence is not a name.
func identifier(s string) string {
	if s == "" || len(s) > longestIdentifier || !validHeaderName(strings.NewReplacer("/", "-", ":", "-").Replace(s)) {
		return ""
	}
	return s
}

// withoutMark is text without the byte order mark that some vendors put before it.
func withoutMark(text []byte) []byte {
	if len(text) >= 3 && text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf {
		return text[3:]
	}
	return text
}
