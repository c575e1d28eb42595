package dialect

import (
	"strings"

	"github.com/tidwall/gjson"
)

// conversation reads messages of a chat, of Anthropic, or items of OpenAI's Responses.
func (r *Request) conversation(messages gjson.Result) {
	messages.ForEach(func(_, m gjson.Result) bool {
		content := m.Get("content")
		switch {
		case m.Get("role").Str == "tool":
			r.Result, r.Results = texts(content), true
		case m.Get("type").Str == "function_call_output":
			r.Result, r.Results = texts(m.Get("output")), true
		case m.Get("role").Str == "user":
			result := content.Get(`#(type=="tool_result")`)
			r.Results = result.Exists()
			if r.Results {
				r.Result = texts(result.Get("content"))
			} else if said := texts(content); said != "" {
				r.Echo = said
			}
		default:
			r.Results = false
		}
		return true
	})
}

// texts is the first text of a content: the content itself, or its first part with a text.
func texts(content gjson.Result) string {
	if !content.IsArray() {
		return content.Str
	}
	return content.Get("#.text|0").Str
}

// input reads the input of Responses, embeddings and moderations, and the prompt of completions.
func (r *Request) input(value gjson.Result) {
	if value.Type == gjson.String {
		r.Echo, r.Inputs = value.Str, []string{value.Str}
		return
	}
	first := value.Get("0")
	switch {
	case first.IsObject():
		r.conversation(value)
		r.Inputs = []string{strings.Join(strs(value.Get("#.text")), " ")}
	case first.Type == gjson.String:
		r.Inputs = strs(value)
		r.Echo = r.Inputs[len(r.Inputs)-1]
	case first.IsArray(): // one list of tokens for each input
		value.ForEach(func(_, tokens gjson.Result) bool { r.Inputs = append(r.Inputs, tokens.Raw); return true })
	case first.Type == gjson.Number: // one list of tokens
		r.Inputs = []string{value.Raw}
	}
}

// strs are the texts of an array.
func strs(array gjson.Result) (all []string) {
	array.ForEach(func(_, s gjson.Result) bool { all = append(all, s.Str); return true })
	return all
}
