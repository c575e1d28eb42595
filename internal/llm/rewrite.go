package llm

import (
	"bytes"
	"encoding/json"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// AskFor makes the call ask for another model than its body does.
func (c *Call) AskFor(model string) {
	c.Parts, c.Payload.Model = WithModel(c.Body, model), model
}

// Sent returns the bytes to send, in parts. Their sum is what the vendor gets.
func (c *Call) Sent() [][]byte {
	if c.Parts != nil {
		return c.Parts
	}
	return [][]byte{c.Body}
}

// WithModel returns the parts of a body that asks for another model. Only that member differs: all other parts are
// slices of body, of which there is no copy. A body without the member gets it in front. When the member stands more
// than once all are changed, because vendors do not agree on which one counts.
func WithModel(body []byte, model string) [][]byte {
	quoted, err := json.Marshal(model)
	if err != nil { // a string always marshals
		return [][]byte{body}
	}
	var parts [][]byte
	done := 0 // bytes of body that are in parts
	members := 0
	err = jsonscan.Scanner{Depth: 1, Visit: func(m jsonscan.Member) {
		if m.Depth != 1 {
			return
		}
		members++
		if string(m.Key) != "model" {
			return
		}
		start := cap(body) - cap(m.Value) // a part of body, so both end at the same place in memory
		parts = append(parts, body[done:start], quoted)
		done = start + len(m.Value)
	}}.Scan(body)
	if err != nil {
		return [][]byte{body} // which ParsePayload has refused before
	}
	if parts == nil {
		done = bytes.IndexByte(body, '{') + 1
		member := append([]byte(`"model":`), quoted...)
		if members > 0 {
			member = append(member, ',')
		}
		parts = append(parts, body[:done], member)
	}
	return append(parts, body[done:])
}
