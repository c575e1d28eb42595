package dialect

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// wholeChat appends a chat completion.
func wholeChat(b []byte, a *Answer) []byte {
	b = a.id(append(b, `{"id":`...), "chatcmpl-sim")
	b = strconv.AppendInt(append(b, `,"object":"chat.completion","created":`...), a.Created.Unix(), 10)
	b = append(a.appendModel(append(b, `,"model":`...)), `,"choices":[`...)
	for i := range a.Choices {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendInt(append(b, `{"index":`...), i)
		b = a.chatMessage(append(b, `,"message":`...), i)
		b = append(b, `,"logprobs":null,"finish_reason":"`...)
		b = append(append(b, a.finish()...), `"}`...)
	}
	b = append(b, ']')
	if !a.Usage.Unsaid {
		b = a.Usage.appendChatUsage(append(b, `,"usage":`...))
	}
	return append(b, "}\n"...)
}

// chatMessage appends what the model says in one choice.
func (a *Answer) chatMessage(b []byte, choice int) []byte {
	if a.Tool == "" {
		b = gjson.AppendJSONString(append(b, `{"role":"assistant","content":`...), a.Text)
		return append(b, `,"refusal":null}`...)
	}
	b = append(b, `{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":`...)
	b = a.toolID(b, choice)
	b = gjson.AppendJSONString(append(b, `,"type":"function","function":{"name":`...), a.Tool)
	b = gjson.AppendJSONString(append(b, `,"arguments":`...), a.Text)
	return append(b, `}}]}`...)
}

// toolID appends the ID of the call of a tool.
func (a *Answer) toolID(b []byte, choice int) []byte {
	return a.id(b, "call_sim"+strconv.Itoa(choice)+"_")
}

// finish is the reason why a choice ends.
func (a *Answer) finish() string {
	switch {
	case a.Cut:
		return "length"
	case a.Tool != "":
		return "tool_calls"
	}
	return "stop"
}

// chatStream writes chunks of a chat completion.
type chatStream struct {
	*Answer
	head []byte // how each chunk begins
}

func newChatStream(a *Answer) stream {
	b := a.id([]byte(`data: {"id":`), "chatcmpl-sim")
	b = strconv.AppendInt(append(b, `,"object":"chat.completion.chunk","created":`...), a.Created.Unix(), 10)
	return &chatStream{a, append(a.appendModel(append(b, `,"model":`...)), ',')}
}

// chunk appends the beginning of a chunk of one choice.
func (s *chatStream) chunk(b []byte, choice int) []byte {
	return append(appendInt(append(append(b, s.head...), `"choices":[{"index":`...), choice), `,"delta":{`...)
}

// close appends the rest of a chunk: a finish_reason in JSON.
func (s *chatStream) close(b []byte, reason string) []byte {
	b = append(append(append(b, `},"logprobs":null,"finish_reason":`...), reason...), "}]"...)
	if s.IncludeUsage && !s.Usage.Unsaid {
		b = append(b, `,"usage":null`...)
	}
	return append(b, "}\n\n"...)
}

func (s *chatStream) piece(b []byte, choice int, first bool, text string) []byte {
	if s.Tool != "" {
		return s.toolPiece(b, choice, first, text)
	}
	b = s.chunk(b, choice)
	if first { // the first chunk says who speaks, too
		b = append(b, `"role":"assistant",`...)
	}
	return s.close(gjson.AppendJSONString(append(b, `"content":`...), text), "null")
}

// toolPiece appends a part of a tool's arguments; before the first one, a chunk with its name.
func (s *chatStream) toolPiece(b []byte, choice int, first bool, text string) []byte {
	if first {
		b = append(s.chunk(b, choice), `"role":"assistant","content":null,"tool_calls":[{"index":0,"id":`...)
		b = append(s.toolID(b, choice), `,"type":"function","function":{"name":`...)
		b = append(gjson.AppendJSONString(b, s.Tool), `,"arguments":""}}]`...)
		b = s.close(b, "null")
	}
	b = append(s.chunk(b, choice), `"tool_calls":[{"index":0,"function":{"arguments":`...)
	b = gjson.AppendJSONString(b, text)
	return s.close(append(b, `}}]`...), "null")
}

func (s *chatStream) end(b []byte) []byte {
	for i := range s.Choices {
		b = s.close(s.chunk(b, i), `"`+s.finish()+`"`)
	}
	if s.IncludeUsage && !s.Usage.Unsaid {
		b = append(append(b, s.head...), `"choices":[],"usage":`...)
		b = append(s.Usage.appendChatUsage(b), "}\n\n"...)
	}
	return append(b, "data: [DONE]\n\n"...)
}
