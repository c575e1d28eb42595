package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Payload is what the gates need to know of a request body. The body itself goes to the vendor byte for byte.
type Payload struct {
	Model        string // "model"; empty when not given
	Stream       bool   // "stream"
	MaxTokens    int    // "max_completion_tokens", "max_tokens" or "max_output_tokens"; 0 when not given
	PromptTokens int    // estimate: body bytes / 4
}

// defaultMaxTokens stands in for an answer's length when the request sets no limit of its own.
const defaultMaxTokens = 256

// Tokens is the estimate that is booked before the call and corrected from the vendor's usage after it.
func (p Payload) Tokens() int {
	if p.MaxTokens > 0 {
		return p.PromptTokens + p.MaxTokens
	}
	return p.PromptTokens + defaultMaxTokens
}

// ParsePayload reads body once for what the gates need. Where a key stands twice the last one counts, as it does for
// most JSON readers, and of limits on tokens the largest. The error is a *outcome.Rejected that says where the body is wrong.
func ParsePayload(body []byte) (Payload, error) {
	if !gjson.ValidBytes(body) {
		return Payload{}, invalid(outcome.InvalidJSON, describeSyntax(body))
	}
	// gjson.ParseBytes would copy the body; this string lives no longer than the call, and what is kept is cloned.
	root := gjson.Parse(unsafe.String(unsafe.SliceData(body), len(body)))
	if !root.IsObject() {
		return Payload{}, invalid(outcome.InvalidPayload, "The body must be a JSON object such as {\"model\": …, \"messages\": […]}.")
	}
	p := Payload{PromptTokens: (len(body) + 3) / 4}
	var bad string
	root.ForEach(func(key, value gjson.Result) bool {
		bad = p.set(key.Str, value)
		return bad == ""
	})
	if bad != "" {
		return Payload{}, invalid(outcome.InvalidPayload, bad)
	}
	return p, nil
}

// set takes one top-level member and returns what is wrong with it, or "".
func (p *Payload) set(key string, v gjson.Result) string {
	switch key {
	case "model":
		if v.Type != gjson.String {
			return `"model" must be a string.`
		}
		p.Model = string([]byte(v.Str)) // cloned: v.Str points into the body
	case "stream":
		if v.Type != gjson.True && v.Type != gjson.False && v.Type != gjson.Null {
			return `"stream" must be true or false.`
		}
		p.Stream = v.Type == gjson.True
	case "max_tokens", "max_completion_tokens", "max_output_tokens":
		if v.Type == gjson.Null {
			return ""
		}
		n := v.Float()
		if v.Type != gjson.Number || n < 0 || n > 1<<30 || n != float64(int(n)) {
			return fmt.Sprintf("%q must be a whole number from 0 to %d.", key, 1<<30)
		}
		p.MaxTokens = max(p.MaxTokens, int(n))
	}
	return ""
}

func invalid(reason outcome.Reason, detail string) error {
	return &outcome.Rejected{Layer: "payload", Reason: reason, Detail: detail}
}

// describeSyntax finds the place of the first mistake. It reads the body a second time, with a slower parser, which only
// bad requests pay for.
func describeSyntax(body []byte) string {
	if len(body) == 0 {
		return "The body is empty; send a JSON object."
	}
	var raw json.RawMessage
	err := json.Unmarshal(body, &raw)
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return "The body is not valid JSON."
	}
	upTo := int(syntax.Offset) - 1 // the wrong byte is counted in Offset
	if int(syntax.Offset) == len(body) && strings.HasPrefix(syntax.Error(), "unexpected end") {
		upTo++ // what is wrong comes after the last byte
	}
	line, column := 1, 1
	for _, b := range body[:min(max(upTo, 0), len(body))] {
		column++
		if b == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("Line %d, column %d: %v.", line, column, syntax)
}
