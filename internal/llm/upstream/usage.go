package upstream

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/spillway-dev/spillway/internal/llm"
)

// parseUsage reads the token counts of a buffered answer, in OpenAI's and in Anthropic's names. Anything else is zero.
func parseUsage(body []byte) llm.Usage {
	// gjson.GetBytes would copy what it finds; this string lives no longer than the call, and only numbers are kept.
	return usageOf(gjson.Get(unsafe.String(unsafe.SliceData(body), len(body)), "usage"))
}

func usageOf(u gjson.Result) (usage llm.Usage) {
	if !u.IsObject() {
		return llm.Usage{}
	}
	u.ForEach(func(key, n gjson.Result) bool {
		switch key.Str {
		case "prompt_tokens", "input_tokens":
			usage.Prompt = max(usage.Prompt, tokens(n)) // some say it in both names
		case "completion_tokens", "output_tokens":
			usage.Completion = max(usage.Completion, tokens(n))
		}
		return true
	})
	return usage
}

// tokens distrusts the vendor: a count below zero or beyond any model's reach is none.
func tokens(n gjson.Result) int {
	if v := n.Float(); n.Type == gjson.Number && v > 0 && v < 1<<30 {
		return int(v)
	}
	return 0
}

// streamMeter follows a stream for what the layers need: how it ends and what it used.
type streamMeter struct {
	events       int
	chunks       int       // events that carry data: about a token each, when the vendor does not say
	said         llm.Usage // the vendor's word, merged over the events that have one
	done         bool      // the last event was seen
	announcesEnd bool      // the dialect has a last event
}

var (
	openAIDone     = []byte("[DONE]")
	openAIChunk    = []byte(`"chat.completion.chunk"`)
	responsesStart = []byte("event: response.created")
	anthropicStart = []byte("event: message_start")
	anthropicStop  = []byte("event: message_stop")
	usageKey       = []byte(`"usage"`)
	dataField      = []byte("data:")
)

// responsesEnds are the last events of OpenAI's Responses.
var responsesEnds = [][]byte{[]byte("event: response.completed"), []byte("event: response.incomplete"), []byte("event: response.failed")}

// isDone tells whether event is the one with which OpenAI's chat and its like announce the end.
func isDone(event []byte) bool {
	_, data, _ := bytes.Cut(event, dataField)
	return bytes.Equal(bytes.TrimSpace(data), openAIDone)
}

// add looks at one raw event. What dialect it is need not show in the first: that may be a comment, or what a filter found.
func (m *streamMeter) add(raw []byte) {
	m.events++
	if isDone(raw) {
		m.done = true
		return
	}
	if !m.announcesEnd {
		m.announcesEnd = bytes.Contains(raw, openAIChunk) || bytes.HasPrefix(raw, anthropicStart) || bytes.HasPrefix(raw, responsesStart)
	}
	if bytes.HasPrefix(raw, anthropicStop) || slices.ContainsFunc(responsesEnds, func(end []byte) bool { return bytes.HasPrefix(raw, end) }) {
		m.done = true
	}
	_, data, found := bytes.Cut(raw, dataField)
	if !found {
		return // a comment that keeps the connection alive
	}
	m.chunks++
	if !bytes.Contains(raw, usageKey) {
		return
	}
	data = bytes.TrimSpace(data)
	for _, path := range []string{"usage", "message.usage", "response.usage"} {
		u := usageOf(gjson.GetBytes(data, path))
		m.said.Prompt = max(m.said.Prompt, u.Prompt)
		m.said.Completion = max(m.said.Completion, u.Completion)
	}
}

// usage is what the stream used. When it ended before the vendor said, the chunks that came stand for the completion.
func (m *streamMeter) usage() llm.Usage {
	u := m.said
	if !m.done || u.Completion == 0 {
		u.Completion = max(u.Completion, m.chunks)
	}
	return u
}
