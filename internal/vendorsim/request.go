package vendorsim

import "github.com/tidwall/gjson"

// request is what matters of a call's body.
type request struct {
	model        string // in JSON, quotes included
	echo         string // the user's last words, in JSON too; empty when there are none
	stream       bool
	includeUsage bool
	limit        int // of completion tokens; 0 for none
	prompt       int // tokens: bytes of the body / 4
}

// parse reads a body, and reports false when it is not a JSON object. Where a key stands twice the last one counts.
func parse(body string) (r request, ok bool) {
	root := gjson.Parse(body)
	if !gjson.Valid(body) || !root.IsObject() {
		return request{}, false
	}
	r = request{model: `""`, prompt: (len(body) + 3) / 4}
	root.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "model":
			if value.Type == gjson.String {
				r.model = value.Raw
			}
		case "stream":
			r.stream = value.Bool()
		case "stream_options":
			r.includeUsage = value.Get("include_usage").Bool()
		case "max_tokens", "max_completion_tokens", "max_output_tokens":
			r.limit = max(r.limit, int(value.Int()))
		case "messages":
			r.echo = lastWords(value)
		}
		return true
	})
	return r, true
}

// lastWords is the content of the last message of a user, in JSON.
func lastWords(messages gjson.Result) (raw string) {
	messages.ForEach(func(_, message gjson.Result) bool {
		if message.Get("role").Str != "user" {
			return true
		}
		content := message.Get("content")
		if content.IsArray() {
			content = content.Get(`#(type=="text").text`)
		}
		if content.Type == gjson.String {
			raw = content.Raw
		}
		return true
	})
	return raw
}

// reply is what the vendor says to it, in JSON.
func (r request) reply() string {
	if r.echo == "" {
		return `"Hello!"`
	}
	return `"You said: ` + r.echo[1:]
}
