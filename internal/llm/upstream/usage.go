package upstream

import (
	"bytes"
	"slices"

	"github.com/spillway-dev/spillway/internal/jsonscan"
	"github.com/spillway-dev/spillway/internal/llm"
)

// usageCount collects what a vendor says about the tokens of one answer, in the names of every dialect. A number that is
// said more than once, as some vendors do in both names and streams do again and again, counts with its largest reading.
type usageCount struct {
	prompt     int // prompt_tokens: everything that was read, cached or not
	input      int // input_tokens: without what Anthropic writes to its cache or reads from it
	cacheWrite int // cache_creation_input_tokens
	completion int // completion_tokens, output_tokens
	reasoning  int // reasoning_tokens, mostly a part of completion
	total      int // total_tokens
}

// add takes one value of an answer.
func (c *usageCount) add(m jsonscan.Member) {
	if m.Depth < 2 || m.Depth > 4 || m.Key == nil {
		return
	}
	switch string(m.Of) {
	case "usage":
	case "completion_tokens_details", "output_tokens_details":
		if string(m.Key) == "reasoning_tokens" {
			c.reasoning = max(c.reasoning, tokens(m))
		}
		return
	default:
		return
	}
	switch string(m.Key) {
	case "prompt_tokens":
		c.prompt = max(c.prompt, tokens(m))
	case "input_tokens":
		c.input = max(c.input, tokens(m))
	case "cache_creation_input_tokens":
		c.cacheWrite = max(c.cacheWrite, tokens(m))
	case "completion_tokens", "output_tokens":
		c.completion = max(c.completion, tokens(m))
	case "total_tokens":
		c.total = max(c.total, tokens(m))
	}
}

// usage is what counts against the contract. Tokens that are only in the total were produced without being shown, as some
// models do when they reason. What Anthropic writes to its cache counts; what it reads from there does not, because
// Anthropic does not count it against its limits either.
func (c *usageCount) usage() llm.Usage {
	u := llm.Usage{
		Prompt:     max(c.prompt, c.input+c.cacheWrite),
		Completion: max(c.completion, c.reasoning),
	}
	u.Completion = max(u.Completion, c.total-u.Prompt)
	return u
}

// most bounds what is believed: no model can use as many tokens.
const most = 1 << 30

// tokens is the value of a count; 0 when it is no number, negative, or absurd.
func tokens(m jsonscan.Member) int {
	if n := m.Float(); n > 0 && n < most {
		return int(n)
	}
	return 0
}

// streamMeter follows a stream for what the layers need: how it ends and what it used.
type streamMeter struct {
	events       int
	chunks       int        // events that carry data: about a token each, when the vendor does not say
	said         usageCount // over the events that have one
	done         bool       // the last event was seen
	announcesEnd bool       // the dialect has a last event
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
	_ = (jsonscan.Scanner{Depth: answerDepth, Visit: m.said.add}).Scan(bytes.TrimSpace(data))
}

// usage is what the stream used. When it ended before the vendor said, the chunks that came stand for the completion.
func (m *streamMeter) usage() llm.Usage {
	u := m.said.usage()
	if !m.done || u.Completion == 0 {
		u.Completion = max(u.Completion, m.chunks)
	}
	return u
}
