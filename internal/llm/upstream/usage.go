package upstream

import (
	"github.com/spillway-dev/spillway/internal/jsonscan"
	"github.com/spillway-dev/spillway/internal/llm"
)

// usageCount collects what a vendor says about the tokens of one answer, by the names of every dialect. A number that
// comes more than once, under two names or in each event of a stream, counts with its largest value.
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

// usage is what counts against the contract. Tokens that are only in the total were made and not shown, as reasoning
// models do. Tokens that Anthropic writes to its cache count. Tokens that it reads from there do not, because Anthropic
// does not count them against its limits.
func (c *usageCount) usage() llm.Usage {
	u := llm.Usage{
		Prompt:     max(c.prompt, c.input+c.cacheWrite),
		Completion: max(c.completion, c.reasoning),
	}
	u.Completion = max(u.Completion, c.total-u.Prompt)
	return u
}

// most bounds a count of tokens: no model can use as many.
const most = 1 << 30

// tokens is the value of a count; 0 when it is no number, negative, or above most.
func tokens(m jsonscan.Member) int {
	if n := m.Float(); n > 0 && n < most {
		return int(n)
	}
	return 0
}

// unsaid is the usage of a buffered answer that reports none: the estimate for its text when that is more than was
// booked for it, else zero, so that the booking stays. A vendor that reports no usage can so not exceed the contract.
func unsaid(body []byte, p *llm.Payload) (u llm.Usage) {
	text := 0
	scanner := jsonscan.Scanner{Depth: textDepth, Visit: func(m jsonscan.Member) {
		if m.Kind() == jsonscan.String && textMembers[string(m.Key)] {
			text += len(m.Value) - len(`""`)
		}
	}}
	_ = scanner.Scan(withoutMark(body)) // of an odd answer what was read counts
	if completion := (text + 3) / 4; completion > p.Tokens()-p.Prompt() {
		u = llm.Usage{Prompt: p.Prompt(), Completion: completion}
	}
	return u
}

// textDepth is how deep the text of an answer stands, in the dialects of all endpoints.
const textDepth = 8

// textMembers are the members of an answer that hold what the model wrote.
var textMembers = map[string]bool{
	"content": true, "text": true, "arguments": true, "refusal": true, "thinking": true,
	"reasoning": true, "reasoning_content": true,
}
