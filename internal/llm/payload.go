package llm

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spillway-dev/spillway/internal/jsonscan"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// Payload is what the gates need to know of a request body. The body itself goes to the vendor byte for byte.
type Payload struct {
	Model        string // "model"; empty when not given
	Stream       bool   // "stream"
	MaxTokens    int    // the largest of the endpoint's limits on tokens; 0 when none is given
	Choices      int    // answers asked for: the larger of "n" and "best_of"; 0 when not given, which means 1
	PromptTokens int    // estimate: bytes of the body that are not media, / 4
	MediaTokens  int    // estimate: images, audio and files, by the figures of EstimateConfig
	InputOnly    bool   // the answer costs no tokens, as with embeddings
}

// defaultMaxTokens is the estimate of an answer's length when the request sets no limit.
const defaultMaxTokens = 256

// Prompt is the estimate of what the vendor counts as prompt.
func (p Payload) Prompt() int { return p.PromptTokens + p.MediaTokens }

// Tokens is the estimate that is booked before the call and corrected from the vendor's usage after it.
func (p Payload) Tokens() int { return p.Text() + p.MediaTokens }

// Text is the part of Tokens that is not a guess. Only this part can show that a call is larger than a contract: what
// an image or a recording costs is a guess.
func (p Payload) Text() int {
	if p.InputOnly {
		return p.PromptTokens
	}
	answer := p.MaxTokens
	if answer == 0 {
		answer = defaultMaxTokens
	}
	return p.PromptTokens + answer*max(p.Choices, 1)
}

// payloadDepth is how deep ParsePayload looks: media may stand in the source of a tool's result, within the content of
// a message.
const payloadDepth = 10

// ParsePayload reads the body of a request to an endpoint once for what the gates need, and checks that it is JSON, in
// UTF-8 and not too deep. With LaneDecides the names of all endpoints count. When a key stands twice the last one
// counts, as it does for most JSON readers. Of limits on tokens and of numbers of answers the largest counts. The error
// is a *outcome.Rejected that says where the body is wrong.
func ParsePayload(endpoint *Endpoint, body []byte, figures EstimateConfig) (Payload, error) {
	dialect := endpoint.reads()
	var (
		p    = Payload{InputOnly: dialect.InputOnly}
		kind jsonscan.Kind
		bad  string
		all  media

		models int // how often "model" stands
	)
	err := jsonscan.Scanner{UTF8: true, Depth: payloadDepth, Visit: func(m jsonscan.Member) {
		switch {
		case m.Depth == 0:
			kind = m.Kind()
		case m.Depth == 1 && m.Key != nil && bad == "":
			bad = p.set(m, dialect)
			if string(m.Key) == "model" {
				models++
			}
		}
		all.add(m)
	}}.Scan(body)
	switch {
	case err != nil:
		return Payload{}, invalid(outcome.InvalidJSON, describeMistake(body, err))
	case kind != jsonscan.Object:
		return Payload{}, invalid(outcome.InvalidPayload, "The body must be a JSON object such as {\"model\": …}.")
	case bad != "":
		return Payload{}, invalid(outcome.InvalidPayload, bad)
	case models > mostModels:
		return Payload{}, invalid(outcome.InvalidPayload, fmt.Sprintf(`"model" stands %d times; send it once.`, models))
	}
	p.PromptTokens, p.MediaTokens = (len(body)-all.encoded+3)/4, all.tokens(figures)
	return p, nil
}

// mostModels is how often "model" may stand. WithModel makes two parts of each, so many would take more memory than the
// body.
const mostModels = 8

// Limits of numbers in a payload. They are far above what any model can do.
const (
	mostTokens  = 1 << 30
	mostChoices = 1 << 10
)

// set reads one top-level member and returns what is wrong with it, or "".
func (p *Payload) set(m jsonscan.Member, d *Dialect) string {
	switch key := string(m.Key); {
	case key == "model":
		if m.Kind() != jsonscan.String {
			return `"model" must be a string.`
		}
		p.Model = m.Text()
	case key == "stream" && len(d.LastEvents) > 0:
		if k := m.Kind(); k != jsonscan.True && k != jsonscan.False && k != jsonscan.Null {
			return `"stream" must be true or false.`
		}
		p.Stream = m.Kind() == jsonscan.True
	case slices.Contains(d.TokenLimits, key):
		return setWhole(&p.MaxTokens, m, mostTokens)
	case d.Choices && (key == "n" || key == "best_of"):
		return setWhole(&p.Choices, m, mostChoices)
	}
	return ""
}

// setWhole reads a whole number into at, when it is larger than what is there. It returns what is wrong with it, or "".
func setWhole(at *int, m jsonscan.Member, most int) string {
	if m.Kind() == jsonscan.Null {
		return ""
	}
	n := m.Float()
	if m.Kind() != jsonscan.Number || n < 0 || n > float64(most) || n != float64(int(n)) {
		return fmt.Sprintf("%q must be a whole number from 0 to %d.", m.Key, most)
	}
	*at = max(*at, int(n))
	return ""
}

func invalid(reason outcome.Reason, detail string) error {
	return &outcome.Rejected{Layer: "payload", Reason: reason, Detail: detail}
}

// byteOrderMark is what some editors put in front of UTF-8. JSON does not allow it.
const byteOrderMark = "\xef\xbb\xbf"

// describeMistake says what is wrong with a body and where.
func describeMistake(body []byte, err error) string {
	mistake, ok := errors.AsType[*jsonscan.Error](err)
	switch {
	case !ok:
		return "The body is not valid JSON."
	case len(body) == 0:
		return "The body is empty; send a JSON object."
	case mistake.Problem == jsonscan.TooDeep:
		return fmt.Sprintf("The body nests deeper than %d levels.", jsonscan.MaxDepth)
	case mistake.Problem == jsonscan.NotUTF8:
		return fmt.Sprintf("Byte %d is not UTF-8, which is what JSON is written in.", mistake.Offset+1)
	case strings.HasPrefix(string(body[:min(len(body), len(byteOrderMark))]), byteOrderMark):
		return "The body begins with a byte order mark; send plain UTF-8."
	}
	line, column := jsonscan.Position(body, mistake.Offset)
	return fmt.Sprintf("Line %d, column %d: %v.", line, column, mistake)
}
