package dialect

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Request is the request of a call, in the same form for all endpoints.
type Request struct {
	Model        string
	Stream       bool
	IncludeUsage bool // stream_options.include_usage
	Limit        int  // of completion tokens; 0 for none
	Choices      int  // n, at least 1
	BestOf       int  // number of completions, of which Choices are shown; at least Choices
	Prompt       int  // tokens: bytes of the body / 4, with files by a flat rate

	Echo    string // the user's last text; empty: none
	Result  string // of a tool
	Results bool   // the conversation ends with the result of a tool
	Call    *Tool  // to be called; nil for none
	Schema  string // of the JSON to be answered; empty for none

	Inputs     []string // of embeddings and moderations
	Dimensions int      // of an embedding; 0 when the request does not say
	Base64     bool     // encoding_format of an embedding
}

// maxChoices is the most completions of one request, as at OpenAI.
const maxChoices = 128

// Read reads a body, and reports false when it is not a JSON object. The last one of duplicate keys counts. A nil
// endpoint can read too.
func (e *Endpoint) Read(body string) (r Request, ok bool) {
	root := gjson.Parse(body)
	if !gjson.Valid(body) || !root.IsObject() {
		return Request{}, false
	}
	r = Request{Prompt: promptTokens(body), Choices: 1}
	var tools, choice gjson.Result
	root.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "tools":
			tools = value
		case "tool_choice":
			choice = value
		default:
			r.member(key.Str, value)
		}
		return true
	})
	r.Call = chosen(tools, choice)
	if e == nil || !e.many {
		r.Choices, r.BestOf = 1, 1
	}
	r.Choices = min(max(1, r.Choices), maxChoices)
	r.BestOf = min(max(r.Choices, r.BestOf), maxChoices)
	return r, true
}

// member reads one member of a request.
func (r *Request) member(key string, value gjson.Result) {
	switch key {
	case "model":
		r.Model = value.Str
	case "stream":
		r.Stream = value.Bool()
	case "stream_options":
		r.IncludeUsage = value.Get("include_usage").Bool()
	case "max_tokens", "max_completion_tokens", "max_output_tokens":
		r.Limit = max(r.Limit, int(value.Int()))
	case "n":
		r.Choices = int(value.Int())
	case "best_of":
		r.BestOf = int(value.Int())
	case "messages":
		r.conversation(value)
	case "input":
		r.input(value)
	case "prompt":
		r.input(value)
	case "dimensions":
		r.Dimensions = int(value.Int())
	case "encoding_format":
		r.Base64 = value.Str == "base64"
	case "response_format", "output_format":
		r.format(value)
	case "text", "output_config":
		r.format(value.Get("format"))
	}
}

// format reads the required format of the answer's text, for any endpoint.
func (r *Request) format(value gjson.Result) {
	switch value.Get("type").Str {
	case "json_object":
		r.Schema = `{"type":"object","properties":{"reply":{"type":"string"}}}`
	case "json_schema":
		if schema := value.Get("json_schema.schema"); schema.IsObject() {
			r.Schema = schema.Raw
		} else if schema := value.Get("schema"); schema.IsObject() {
			r.Schema = schema.Raw
		}
	}
}

// File is the cost of a picture, a recording or a document, in tokens.
const File = 765

// promptTokens is the vendor's count of a prompt. Base64 is not text.
func promptTokens(body string) int {
	size, files := len(body), 0
	for _, mark := range []string{";base64,", `"data":"`, `"data": "`, `"file_data":"`} {
		rest := body
		for {
			_, after, found := strings.Cut(rest, mark)
			if !found {
				break
			}
			end := strings.IndexByte(after, '"')
			if end < 0 {
				break
			}
			if end > minFile && base64Text(after[:end]) {
				size, files = size-end, files+1
			}
			rest = after[end:]
		}
	}
	return (size+3)/4 + files*File
}

// minFile is the shortest text, in bytes, that is taken for a file.
const minFile = 64

// base64Text reports whether s has only characters of base64.
func base64Text(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z' && r < 0x80
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("+/=-_", r)
	}) < 0
}
