package dialect

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// textStream writes completions of a prompt: OpenAI's oldest endpoint. A part of a stream looks like the whole.
type textStream struct {
	*Answer
	head []byte
}

func newTextStream(a *Answer) stream { return newText(a) }

func newText(a *Answer) *textStream {
	b := a.id([]byte(`{"id":`), "cmpl-sim")
	b = strconv.AppendInt(append(b, `,"object":"text_completion","created":`...), a.Created.Unix(), 10)
	return &textStream{a, append(a.appendModel(append(b, `,"model":`...)), `,"choices":[`...)}
}

// choice appends one choice, with a finish_reason in JSON.
func (s *textStream) choice(b []byte, i int, text, reason string) []byte {
	b = gjson.AppendJSONString(append(b, `{"text":`...), text)
	b = append(appendInt(append(b, `,"index":`...), i), `,"logprobs":null,"finish_reason":`...)
	return append(append(b, reason...), '}')
}

// wholeText appends a completion.
func wholeText(b []byte, a *Answer) []byte {
	s := newText(a)
	b = append(b, s.head...)
	for i := range a.Choices {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.choice(b, i, a.Text, `"`+a.finish()+`"`)
	}
	b = append(b, ']')
	if !a.Usage.Unsaid {
		b = a.Usage.appendChatUsage(append(b, `,"usage":`...))
	}
	return append(b, "}\n"...)
}

func (s *textStream) piece(b []byte, choice int, _ bool, text string) []byte {
	b = append(append(b, "data: "...), s.head...)
	return append(s.choice(b, choice, text, "null"), "]}\n\n"...)
}

func (s *textStream) end(b []byte) []byte {
	for i := range s.Choices {
		b = append(append(b, "data: "...), s.head...)
		b = append(s.choice(b, i, "", `"`+s.finish()+`"`), "]}\n\n"...)
	}
	if s.IncludeUsage && !s.Usage.Unsaid {
		b = append(append(append(b, "data: "...), s.head...), `],"usage":`...)
		b = append(s.Usage.appendChatUsage(b), "}\n\n"...)
	}
	return append(b, "data: [DONE]\n\n"...)
}
