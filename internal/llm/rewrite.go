package llm

import (
	"bytes"
	"encoding/json"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// WithModel returns a copy of body that asks for another model. Only that member differs: every other byte stays. A
// body without the member gets it in front. When the member stands more than once all are changed, because vendors do
// not agree on which one counts.
func WithModel(body []byte, model string) []byte {
	quoted, err := json.Marshal(model)
	if err != nil { // a string always marshals
		return body
	}
	out := make([]byte, 0, len(body)+len(quoted)+len(`"model":,`))
	done := 0 // bytes of body that are in out
	members, found := 0, false
	err = jsonscan.Scanner{Depth: 1, Visit: func(m jsonscan.Member) {
		if m.Depth != 1 {
			return
		}
		members++
		if string(m.Key) != "model" {
			return
		}
		found = true
		start := cap(body) - cap(m.Value) // a part of body, so both end at the same place in memory
		out = append(out, body[done:start]...)
		out = append(out, quoted...)
		done = start + len(m.Value)
	}}.Scan(body)
	if err != nil {
		return body // which ParsePayload has refused before
	}
	if !found {
		open := bytes.IndexByte(body, '{') + 1
		out = append(out, body[:open]...)
		out = append(out, `"model":`...)
		out = append(out, quoted...)
		if members > 0 {
			out = append(out, ',')
		}
		done = open
	}
	return append(out, body[done:]...)
}
