package dialect

import "github.com/tidwall/gjson"

// wholeMessage appends a message of Anthropic's API.
func wholeMessage(b []byte, a *Answer) []byte {
	b = append(a.messageHead(b), `,"content":[`...)
	if a.Tool != "" {
		input := a.Text
		if !gjson.Valid(input) { // cut at the limit
			input = "{}"
		}
		b = append(append(a.toolBlock(b), input...), '}')
	} else {
		b = append(gjson.AppendJSONString(append(b, `{"type":"text","text":`...), a.Text), '}')
	}
	b = append(append(append(b, `],"stop_reason":"`...), a.stopReason()...), `","stop_sequence":null`...)
	if !a.Usage.Unsaid {
		b = a.Usage.appendMessageUsage(append(b, `,"usage":`...), a.Usage.output())
	}
	return append(b, "}\n"...)
}

// messageHead appends the beginning of a message, up to its model.
func (a *Answer) messageHead(b []byte) []byte {
	b = a.id(append(b, `{"id":`...), "msg_sim")
	return a.appendModel(append(b, `,"type":"message","role":"assistant","model":`...))
}

// toolBlock appends the beginning of the call of a tool; what follows is its input and a brace.
func (a *Answer) toolBlock(b []byte) []byte {
	b = a.id(append(b, `{"type":"tool_use","id":`...), "toolu_sim")
	return append(gjson.AppendJSONString(append(b, `,"name":`...), a.Tool), `,"input":`...)
}

// stopReason is why the message ends.
func (a *Answer) stopReason() string {
	switch {
	case a.Cut:
		return "max_tokens"
	case a.Tool != "":
		return "tool_use"
	}
	return "end_turn"
}

// messageStream writes the events of a message.
type messageStream struct{ *Answer }

func newMessageStream(a *Answer) stream { return messageStream{a} }

// named appends an event; the data is a JSON object without its type and its last brace, and begins with a comma.
func named(b []byte, kind, data string) []byte {
	b = append(append(append(b, "event: "...), kind...), "\ndata: {\"type\":\""...)
	return append(append(append(append(b, kind...), '"'), data...), "}\n\n"...)
}

func (s messageStream) piece(b []byte, _ int, first bool, text string) []byte {
	if first {
		b = s.begin(b)
	}
	b = append(b, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"...)
	if s.Tool != "" {
		b = append(b, `"type":"input_json_delta","partial_json":`...)
	} else {
		b = append(b, `"type":"text_delta","text":`...)
	}
	return append(gjson.AppendJSONString(b, text), "}}\n\n"...)
}

// begin appends everything before the first piece.
func (s messageStream) begin(b []byte) []byte {
	b = append(b, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	b = append(s.messageHead(b), `,"content":[],"stop_reason":null,"stop_sequence":null`...)
	if !s.Usage.Unsaid {
		b = s.Usage.appendMessageUsage(append(b, `,"usage":`...), 1)
	}
	b = append(b, "}}\n\n"...)
	block := `{"type":"text","text":""}`
	if s.Tool != "" {
		block = string(append(s.toolBlock(nil), `{}}`...))
	}
	b = named(b, "content_block_start", `,"index":0,"content_block":`+block)
	return named(b, "ping", "")
}

func (s messageStream) end(b []byte) []byte {
	b = named(b, "content_block_stop", `,"index":0`)
	delta := `,"delta":{"stop_reason":"` + s.stopReason() + `","stop_sequence":null}`
	if !s.Usage.Unsaid {
		delta += string(s.Usage.appendMessageUsage([]byte(`,"usage":`), s.Usage.output()))
	}
	return named(named(b, "message_delta", delta), "message_stop", "")
}

// wholeCount appends the answer to a question for the length of a prompt.
func wholeCount(b []byte, a *Answer) []byte {
	return append(appendInt(append(b, `{"input_tokens":`...), a.Prompt), "}\n"...)
}
