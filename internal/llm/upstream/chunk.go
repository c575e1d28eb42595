package upstream

import (
	"bytes"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// chunk is what one event of a stream says, in the dialects of OpenAI's chat completions and completions, of OpenAI's
// Responses and of Anthropic's messages. Their members differ, so a stream is read by its members and not by the
// endpoint that was called: vendors and proxies mix the dialects.
type chunk struct {
	kind       []byte // the member type
	object     []byte // the member object
	hasChoices bool   // a member choices is there
	block      []byte // the type of Anthropic's content block
	content    bool   // a choice has content: text, a tool call, a refusal
	text       int    // bytes of content of every kind

	choice choice                // the one that is read now
	ends   func(index int)       // called for each choice that has a finish_reason
	opens  func(index int)       // called for each choice
	usage  func(jsonscan.Member) // nil when the event has none
}

type choice struct {
	index int
	ended bool
}

// chunkDepth is how deep the values of an event are read: choices, an element, its delta, the delta's members.
const chunkDepth = 4

// add takes one value of the event. It sees the parts of a value before the value itself.
func (c *chunk) add(m jsonscan.Member) {
	if c.usage != nil {
		c.usage(m)
	}
	switch m.Depth {
	case 1:
		c.top(m)
	case 2:
		switch string(m.Of) {
		case "choices":
			c.endOfChoice()
		case "delta":
			c.count(m)
		case "content_block":
			if string(m.Key) == "type" {
				c.block = inner(m)
			}
		}
	case 3:
		if string(m.Of) == "choices" {
			c.ofChoice(m)
		}
	case 4:
		if string(m.Of) == "delta" && c.count(m) {
			c.content = true
		}
	}
}

// top takes a member of the event itself.
func (c *chunk) top(m jsonscan.Member) {
	switch string(m.Key) {
	case "type":
		c.kind = inner(m)
	case "object":
		c.object = inner(m)
	case "choices":
		c.hasChoices = m.Kind() == jsonscan.Array
	case "delta":
		if m.Kind() == jsonscan.String { // of Responses
			c.text += len(m.Value) - len(`""`)
		}
	}
}

// ofChoice takes a member of a choice.
func (c *chunk) ofChoice(m jsonscan.Member) {
	switch string(m.Key) {
	case "index":
		c.choice.index = int(m.Float())
	case "finish_reason":
		c.choice.ended = holdsSomething(m)
	case "text": // of completions
		if holdsSomething(m) {
			c.content = true
			c.text += len(m.Value) - len(`""`)
		}
	}
}

func (c *chunk) endOfChoice() {
	c.opens(c.choice.index)
	if c.choice.ended {
		c.ends(c.choice.index)
	}
	c.choice = choice{}
}

// count adds a member of a delta to the content, and reports whether it holds something.
func (c *chunk) count(m jsonscan.Member) bool {
	switch string(m.Key) {
	case "role", "type", "stop_reason", "stop_sequence":
		return false
	}
	if !holdsSomething(m) {
		return false
	}
	c.text += len(m.Value)
	if m.Kind() == jsonscan.String {
		c.text -= len(`""`)
	}
	return true
}

// inner is the text of a string as it stands between its quotes; nil for other kinds.
func inner(m jsonscan.Member) []byte {
	if m.Kind() != jsonscan.String {
		return nil
	}
	return m.Value[1 : len(m.Value)-1]
}

// shows reports whether a client has something to show after the event of this name: content, a tool call, a refusal,
// an end. An event that only announces an answer is not something to show: until there is, the attempt can be made
// again.
func (c *chunk) shows(name []byte, ended bool) bool {
	if c.hasChoices {
		return c.content || ended
	}
	switch string(name) {
	case "message_start", "content_block_stop",
		"response.created", "response.queued", "response.in_progress", "response.output_item.added",
		"response.content_part.added", "response.reasoning_summary_part.added":
		return false
	case "content_block_start":
		return len(c.block) > 0 && !bytes.Equal(c.block, []byte("text")) && !bytes.Equal(c.block, []byte("thinking"))
	}
	return true
}
