package chain

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/spillway-dev/spillway/internal/jsonscan"
	"github.com/spillway-dev/spillway/internal/llm"
)

// maxErrorBody is the largest error document that is read, in bytes.
const maxErrorBody = 64 << 10

// contextLength is the reason why a call leaves a lane whose model cannot take so long a prompt.
const contextLength = "context_length"

// The codes of an error, and the beginnings of its message, that say that the prompt is too long.
var (
	tooLongCodes = []string{"context_length_exceeded", "string_above_max_length", "exceed_context_size_error"}
	tooLongTexts = []string{
		"prompt is too long", "input length and `max_tokens` exceed", // Anthropic
		"The input token count",                     // Gemini
		"This model's maximum context length is",    // vLLM, DeepSeek and others, some without the code
		"Request too large for",                     // Groq, with 413
		"the request exceeds the available context", // llama.cpp
	}
)

// mendableRefusal returns the reason why another vendor may take what this one has refused, "" when there is none. Most
// refusals are about the request, and a second vendor would refuse it too. Refusals that are about the account do not
// come here: upstream makes them failures of the vendor. So a 429 is of a request that is above the whole limit.
func mendableRefusal(resp *llm.Response) string {
	switch {
	case resp.Status == http.StatusTooManyRequests:
		return contextLength
	case resp.Status != http.StatusBadRequest && resp.Status != http.StatusRequestEntityTooLarge,
		len(resp.Body) > maxErrorBody:
		return ""
	}
	reason := ""
	err := jsonscan.Scanner{Depth: refusalDepth, Visit: func(m jsonscan.Member) {
		if (m.Depth == 1 || string(m.Of) == "error") && saysTooLong(m) {
			reason = contextLength
		}
	}}.Scan(resp.Body)
	if err != nil {
		return ""
	}
	return reason
}

// refusalDepth is how deep the members of an error stand: within an event of OpenAI's Responses at the top, or in the
// error of its response; elsewhere in between.
const refusalDepth = 3

// saysTooLong reports whether a member of an error says that the prompt is too long.
func saysTooLong(m jsonscan.Member) bool {
	value := bytes.Trim(m.Value, `"`)
	switch string(m.Key) {
	case "code", "type":
		return slices.Contains(tooLongCodes, string(value))
	case "message":
		if bytes.HasPrefix(value, []byte("Prompt contains ")) && bytes.Contains(value, []byte(" tokens")) { // Mistral
			return true
		}
		for _, text := range tooLongTexts {
			if bytes.HasPrefix(value, []byte(text)) {
				return true
			}
		}
	}
	return false
}
