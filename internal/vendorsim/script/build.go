package script

import (
	"encoding/json"
	"fmt"
	"slices"
)

// These functions write the pieces of answers in the formats of the vendors.

const (
	jsonType   = "application/json"
	streamType = "text/event-stream"
)

var (
	streaming = json.RawMessage(`{"stream":true}`)
	buffered  = json.RawMessage(`{"stream":false}`)
)

// stream is an answer to a request with "stream": true that ends its body cleanly.
func stream(name, why string, body ...Piece) Named {
	return Named{name, why, streaming, Answer{
		Status: 200, Headers: map[string]string{"Content-Type": streamType}, Framing: Chunked, Body: body,
	}, nil}
}

// document is a JSON answer. Headers are names and values in turn.
func document(name, why string, status int, body string, headers ...string) Named {
	n := Named{name, why, buffered, Answer{
		Status: status, Headers: map[string]string{"Content-Type": jsonType}, Framing: Length,
		Body: []Piece{text(body)},
	}, nil}
	for pair := range slices.Chunk(headers, 2) {
		n.Answer.Headers[pair[0]] = pair[1]
	}
	return n
}

// with changes the answer of n.
func with(n Named, change func(*Answer)) Named {
	change(&n.Answer)
	return n
}

func text(s string) Piece { return Piece{Text: s} }

func silence(seconds float64) Piece { return Piece{Hold: seconds} }

// data is an event without a name.
func data(document string) Piece { return text("data: " + document + "\n\n") }

// event is an event with a name, as Anthropic and OpenAI's Responses send them.
func event(name, document string) Piece {
	return text("event: " + name + "\ndata: " + document + "\n\n")
}

// chunk0 is a chunk of a chat completion, with choice 0 as given.
func chunk0(choice string) string {
	return `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,` + choice + `}]}`
}

// role, says and stops are the events of a stream of chat completions.
func role() Piece {
	return data(chunk0(`"delta":{"role":"assistant","content":""},"finish_reason":null`))
}

func says(words string) Piece {
	return data(chunk0(fmt.Sprintf(`"delta":{"content":%q},"finish_reason":null`, words)))
}

func stops(reason string) Piece {
	return data(chunk0(fmt.Sprintf(`"delta":{},"finish_reason":%q`, reason)))
}

func done() Piece { return data("[DONE]") }

// completion is a whole chat completion that says "Hi", with more members as given, each with a comma before it.
func completion(more string) string {
	return `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,` +
		`"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]` + more + `}`
}

// failed is an error document in OpenAI's shape.
func failed(kind, code, message string) string {
	return fmt.Sprintf(`{"error":{"message":%q,"type":%q,"param":null,"code":%q}}`, message, kind, code)
}

// failedAnthropic is an error document in Anthropic's shape.
func failedAnthropic(kind, message string) string {
	return fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%q},"request_id":"req_sim"}`, kind, message)
}

// Events of Anthropic's messages.
func messageStart(usage string) Piece {
	return event("message_start",
		`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",`+
			`"model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":`+usage+`}}`)
}

func blockStart() Piece {
	return event("content_block_start",
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
}

func blockDelta() Piece {
	return event("content_block_delta",
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`)
}

func blockStop() Piece { return event("content_block_stop", `{"type":"content_block_stop","index":0}`) }

func messageDelta(usage string) Piece {
	return event("message_delta",
		`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":`+usage+`}`)
}

func messageStop() Piece { return event("message_stop", `{"type":"message_stop"}`) }

// Events of OpenAI's Responses.
func responseEvent(name, status, more string) Piece {
	return event(name, fmt.Sprintf(`{"type":%q,"sequence_number":0,"response":{"id":"resp_1","object":"response",`+
		`"created_at":1,"model":"m","output":[],"status":%q%s}}`, name, status, more))
}

func responseDelta(words string) Piece {
	return event("response.output_text.delta", fmt.Sprintf(`{"type":"response.output_text.delta","sequence_number":1,`+
		`"item_id":"msg_1","output_index":0,"content_index":0,"delta":%q,"logprobs":[]}`, words))
}
