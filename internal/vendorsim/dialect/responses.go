package dialect

import (
	"strconv"

	"github.com/tidwall/gjson"
)

// wholeResponse appends a response of OpenAI's Responses.
func wholeResponse(b []byte, a *Answer) []byte {
	return append(a.response(b, a.responseStatus(), a.item(nil, a.Text, "completed"), true), '\n')
}

// responseStatus is how a response ends.
func (a *Answer) responseStatus() string {
	if a.Cut {
		return "incomplete"
	}
	return "completed"
}

// response appends a response object with an item as its output; without an item, with no output.
func (a *Answer) response(b []byte, status string, item []byte, usage bool) []byte {
	b = a.id(append(b, `{"id":`...), "resp_sim")
	b = strconv.AppendInt(append(b, `,"object":"response","created_at":`...), a.Created.Unix(), 10)
	b = append(append(append(b, `,"status":"`...), status...), `","error":null,"incomplete_details":`...)
	if status == "incomplete" {
		b = append(b, `{"reason":"max_output_tokens"}`...)
	} else {
		b = append(b, "null"...)
	}
	b = a.appendModel(append(b, `,"instructions":null,"max_output_tokens":null,"metadata":{},"model":`...))
	b = append(
		append(append(b, `,"output":[`...), item...),
		`],"parallel_tool_calls":true,"previous_response_id":null,`...)
	b = append(
		b,
		`"reasoning":{"effort":null,"summary":null},"store":true,"temperature":1,"text":{"format":{"type":"text"}},`...)
	b = append(b, `"tool_choice":"auto","tools":[],"top_p":1,"truncation":"disabled","usage":`...)
	if usage && !a.Usage.Unsaid {
		b = a.Usage.appendResponseUsage(b)
	} else {
		b = append(b, "null"...)
	}
	return append(b, `,"user":null}`...)
}

// item appends the one item of output: a message, or the call of a tool.
func (a *Answer) item(b []byte, text, status string) []byte {
	if a.Tool != "" {
		b = append(a.itemID(append(b, `{"id":`...)), `,"type":"function_call","status":"`...)
		b = append(append(b, status...), `","call_id":`...)
		b = gjson.AppendJSONString(append(a.toolID(b, 0), `,"name":`...), a.Tool)
		return append(gjson.AppendJSONString(append(b, `,"arguments":`...), text), '}')
	}
	b = append(a.itemID(append(b, `{"id":`...)), `,"type":"message","role":"assistant","status":"`...)
	b = append(append(b, status...), `","content":[`...)
	if status != "in_progress" {
		b = part(b, text)
	}
	return append(b, `]}`...)
}

// itemID appends the ID of the item of output.
func (a *Answer) itemID(b []byte) []byte {
	if a.Tool != "" {
		return a.id(b, "fc_sim")
	}
	return a.id(b, "msg_sim")
}

// part appends the text of a message.
func part(b []byte, text string) []byte {
	b = gjson.AppendJSONString(append(b, `{"type":"output_text","annotations":[],"logprobs":[],"text":`...), text)
	return append(b, '}')
}
