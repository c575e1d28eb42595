package dialect

import "strconv"

// Extra is what a vendor counts beside the tokens that a client can see. Zero values add nothing.
type Extra struct {
	Reasoning  int  `json:"reasoning"`   // part of the completion, and told as such
	Hidden     int  `json:"hidden"`      // reasoning that only the total has
	CacheWrite int  `json:"cache_write"` // of the prompt, written into a cache
	CacheRead  int  `json:"cache_read"`  // of the prompt, read from a cache
	Unsaid     bool `json:"unsaid"`      // no answer reports its usage
}

// Usage is what one answer costs, in tokens.
type Usage struct {
	Prompt     int // without caches
	Completion int // of all completions that were made, without reasoning
	Extra
}

// PromptBill is the part of the prompt that counts in the vendor's limits. At Anthropic, tokens read from a cache do
// not.
func (u Usage) PromptBill(anthropic bool) int {
	if anthropic {
		return u.Prompt + u.CacheWrite
	}
	return u.Prompt + u.CacheWrite + u.CacheRead
}

// Thought is the part of the completion that no client sees.
func (u Usage) Thought() int { return u.Reasoning + u.Hidden }

// appendChatUsage appends the usage of chats and completions.
func (u Usage) appendChatUsage(b []byte) []byte {
	prompt, completion := u.PromptBill(false), u.Completion+u.Reasoning
	b = appendInt(append(b, `{"prompt_tokens":`...), prompt)
	b = appendInt(append(b, `,"completion_tokens":`...), completion)
	b = appendInt(append(b, `,"total_tokens":`...), prompt+completion+u.Hidden)
	if u.CacheRead > 0 {
		b = append(appendInt(append(b, `,"prompt_tokens_details":{"cached_tokens":`...), u.CacheRead), '}')
	}
	if u.Reasoning > 0 {
		b = append(appendInt(append(b, `,"completion_tokens_details":{"reasoning_tokens":`...), u.Reasoning), '}')
	}
	return append(b, '}')
}

// appendResponseUsage appends the usage of Responses.
func (u Usage) appendResponseUsage(b []byte) []byte {
	prompt, completion := u.PromptBill(false), u.Completion+u.Reasoning
	b = appendInt(append(b, `{"input_tokens":`...), prompt)
	b = appendInt(append(b, `,"input_tokens_details":{"cached_tokens":`...), u.CacheRead)
	b = appendInt(append(b, `,"cache_write_tokens":`...), u.CacheWrite)
	b = appendInt(append(b, `},"output_tokens":`...), completion)
	b = appendInt(append(b, `,"output_tokens_details":{"reasoning_tokens":`...), u.Reasoning)
	b = appendInt(append(b, `},"total_tokens":`...), prompt+completion+u.Hidden)
	return append(b, '}')
}

// appendMessageUsage appends the usage of Anthropic's messages, with so many tokens of output.
func (u Usage) appendMessageUsage(b []byte, output int) []byte {
	b = appendInt(append(b, `{"input_tokens":`...), u.Prompt)
	b = appendInt(append(b, `,"cache_creation_input_tokens":`...), u.CacheWrite)
	b = appendInt(append(b, `,"cache_read_input_tokens":`...), u.CacheRead)
	b = appendInt(append(b, `,"output_tokens":`...), output)
	return append(b, `,"service_tier":"standard"}`...)
}

// output is everything that Anthropic counts as output.
func (u Usage) output() int { return u.Completion + u.Thought() }

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
