package script

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Bill is the cost of an answer by its vendor's count, in tokens. Zero means that the answer has no figure.
type Bill struct{ Prompt, Completion int }

// Bill reads the usage that the answer reports. Where it reports none, the completion is its text: bytes / 4.
//
// The largest reading counts. Tokens that only the total has are hidden reasoning, so they are completion. Tokens
// written into a cache are prompt; tokens read from a cache are not, because Anthropic does not count them in its
// limits.
func (a *Answer) Bill() (b Bill) {
	text := 0
	for _, document := range a.documents() {
		root := gjson.Parse(document)
		for _, path := range []string{"usage", "message.usage", "response.usage"} {
			b = b.largest(reading(root.Get(path)))
		}
		text += textLength(root)
	}
	if b.Completion == 0 {
		b.Completion = (text + 3) / 4
	}
	return b
}

func (b Bill) largest(c Bill) Bill {
	return Bill{max(b.Prompt, c.Prompt), max(b.Completion, c.Completion)}
}

// most is the largest plausible number of tokens of an answer. A larger figure is ignored.
const most = 10_000_000

// reading is one usage object, in OpenAI's or in Anthropic's names.
func reading(usage gjson.Result) (b Bill) {
	n := func(name string) int {
		if tokens := usage.Get(name).Num; tokens > 0 && tokens <= most {
			return int(tokens)
		}
		return 0
	}
	b.Prompt = max(n("prompt_tokens"), n("input_tokens")) + n("cache_creation_input_tokens")
	b.Completion = max(n("completion_tokens"), n("output_tokens"), n("total_tokens")-b.Prompt)
	return b
}

// textLength is the length of the text in one document, in bytes.
func textLength(root gjson.Result) (n int) {
	for _, path := range []string{
		"choices.#.delta.content", "choices.#.message.content", "choices.#.text", "content.#.text",
		"output.#.content.#.text",
	} {
		root.Get(path).ForEach(func(_, text gjson.Result) bool { n += len(text.Str); return true })
	}
	return n + len(root.Get("delta.text").Str) + len(root.Get("delta").Str)
}

// documents are the JSON values of the body: its events' data, or the whole of it.
func (a *Answer) documents() []string {
	var body strings.Builder
	for _, p := range a.Body {
		for range max(1, p.Times) {
			body.WriteString(p.Text + p.Repeat)
		}
	}
	text := strings.TrimPrefix(body.String(), "\ufeff")
	if gjson.Valid(text) {
		return []string{text}
	}
	var found []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if data, is := strings.CutPrefix(line, "data:"); is && gjson.Valid(data) {
			found = append(found, data)
		}
	}
	return found
}
