package dialect

import (
	"strings"
	"unicode/utf8"
)

// Reply is the model's reply in each choice.
type Reply struct {
	Text   string   // of a whole answer: a text, JSON, or the arguments of a tool
	Pieces []string // of a stream, one for each token; nil for an answer that is not streamed
	Tool   string   // the name of the tool that it calls; empty for none
	Cut    bool     // it stops at the request's limit of tokens
	Tokens int      // of one choice
}

// filler is the text with which the model uses the tokens that are left.
const filler = " I am a simulated vendor and know no more than that, so I go on until my tokens are used up."

var fillerWords = strings.SplitAfter(filler, " ")

// Reply plans the answer to a request. A text has the given number of tokens, at most the request's limit; a word is
// one token. A call of a tool and an instance of a schema have as many tokens as they need, four bytes each, and are
// cut at the limit.
func (r *Request) Reply(tokens int) (p Reply) {
	said := "Hello!"
	switch {
	case r.Results:
		said = "The tool said: " + r.Result
	case r.Echo != "":
		said = "You said: " + r.Echo
	}
	switch {
	case r.Call != nil && !r.Results:
		p.Tool = r.Call.Name
		p.exact(string(sample(nil, r.Call.Parameters, sampleText(r.Echo))), r.Limit)
		if p.Text == "null" {
			p.exact("{}", r.Limit)
		}
		return p
	case r.Schema != "":
		p.exact(string(sample(nil, r.Schema, sampleText(r.Echo))), r.Limit)
		return p
	}
	p.Text, p.Tokens = said, tokens
	if r.Limit > 0 {
		p.Tokens = min(tokens, r.Limit)
	}
	if r.Stream {
		p.words()
	}
	return p
}

// sampleText is the text in the model's JSON.
func sampleText(echo string) string {
	if echo == "" || len(echo) > 100 {
		return "text"
	}
	return echo
}

// words splits the text into one piece for each token, and adds words when the text is too short.
func (p *Reply) words() {
	words := strings.SplitAfter(p.Text, " ")
	p.Pieces = make([]string, p.Tokens)
	for i := range p.Pieces {
		if i < len(words) {
			p.Pieces[i] = words[i]
		} else {
			p.Pieces[i] = fillerWords[(i-len(words))%len(fillerWords)]
		}
	}
}

// exact sets the reply's text, with four bytes for each token.
func (p *Reply) exact(text string, limit int) {
	p.Text, p.Pieces = text, nil
	for rest := text; rest != ""; {
		end := min(4, len(rest))
		for end < len(rest) && !utf8.RuneStart(rest[end]) {
			end++
		}
		p.Pieces, rest = append(p.Pieces, rest[:end]), rest[end:]
	}
	if p.Cut = limit > 0 && len(p.Pieces) > limit; p.Cut {
		p.Pieces = p.Pieces[:limit]
		p.Text = strings.Join(p.Pieces, "")
	}
	p.Tokens = len(p.Pieces)
}

// Join joins pieces of one token into pieces of several tokens.
func (p *Reply) Join(tokens int) {
	if tokens <= 1 {
		return
	}
	var joined []string
	for i := 0; i < len(p.Pieces); i += tokens {
		joined = append(joined, strings.Join(p.Pieces[i:min(i+tokens, len(p.Pieces))], ""))
	}
	p.Pieces = joined
}
