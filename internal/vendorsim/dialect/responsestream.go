package dialect

import (
	"strings"

	"github.com/tidwall/gjson"
)

// responseStream writes the events of a response, numbered, in OpenAI's order.
type responseStream struct {
	*Answer
	number int
	said   strings.Builder
}

func newResponseStream(a *Answer) stream { return &responseStream{Answer: a} }

// event appends the beginning of an event; the caller adds more members, each with a comma before it, and closes it.
func (s *responseStream) event(b []byte, kind string) []byte {
	b = append(append(append(b, "event: "...), kind...), "\ndata: {\"type\":\""...)
	b = appendInt(append(append(b, kind...), `","sequence_number":`...), s.number)
	s.number++
	return b
}

// whole appends an event with the response in it.
func (s *responseStream) whole(b []byte, kind, status string, item []byte, usage bool) []byte {
	b = append(s.event(b, kind), `,"response":`...)
	return append(s.response(b, status, item, usage), "}\n\n"...)
}

// place appends which part of the output an event is about.
func (s *responseStream) place(b []byte) []byte {
	b = append(s.itemID(append(b, `,"item_id":`...)), `,"output_index":0`...)
	if s.Tool == "" {
		b = append(b, `,"content_index":0`...)
	}
	return b
}

// item appends an event about the item of output.
func (s *responseStream) itemEvent(b []byte, kind, text, status string) []byte {
	b = append(s.event(b, kind), `,"output_index":0,"item":`...)
	return append(s.item(b, text, status), "}\n\n"...)
}

// partEvent appends an event about the text of the message.
func (s *responseStream) partEvent(b []byte, kind, text string) []byte {
	b = append(s.place(s.event(b, kind)), `,"part":`...)
	return append(part(b, text), "}\n\n"...)
}

// begin appends everything before the first piece.
func (s *responseStream) begin(b []byte) []byte {
	b = s.whole(b, "response.created", "in_progress", nil, false)
	b = s.whole(b, "response.in_progress", "in_progress", nil, false)
	b = s.itemEvent(b, "response.output_item.added", "", "in_progress")
	if s.Tool != "" {
		return b
	}
	return s.partEvent(b, "response.content_part.added", "")
}

func (s *responseStream) piece(b []byte, _ int, first bool, text string) []byte {
	if first {
		b = s.begin(b)
	}
	s.said.WriteString(text)
	if s.Tool != "" {
		b = s.place(s.event(b, "response.function_call_arguments.delta"))
	} else {
		b = append(s.place(s.event(b, "response.output_text.delta")), `,"logprobs":[]`...)
	}
	return append(gjson.AppendJSONString(append(b, `,"delta":`...), text), "}\n\n"...)
}

func (s *responseStream) end(b []byte) []byte {
	text := s.said.String()
	if s.Tool != "" {
		b = s.place(s.event(b, "response.function_call_arguments.done"))
		b = gjson.AppendJSONString(append(b, `,"name":`...), s.Tool)
		b = append(gjson.AppendJSONString(append(b, `,"arguments":`...), text), "}\n\n"...)
	} else {
		b = append(s.place(s.event(b, "response.output_text.done")), `,"logprobs":[]`...)
		b = append(gjson.AppendJSONString(append(b, `,"text":`...), text), "}\n\n"...)
		b = s.partEvent(b, "response.content_part.done", text)
	}
	b = s.itemEvent(b, "response.output_item.done", text, "completed")
	status := s.responseStatus()
	return s.whole(b, "response."+status, status, s.item(nil, text, "completed"), true)
}
