package dialect

import (
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// Answer has everything that an answer is written from.
type Answer struct {
	Request
	Reply
	Usage   Usage
	Number  int // of the call: it makes IDs different
	Created time.Time
}

// id appends an identifier, in quotes.
func (a *Answer) id(b []byte, prefix string) []byte {
	return append(strconv.AppendInt(append(append(b, '"'), prefix...), int64(a.Number), 10), '"')
}

// appendModel appends the name of the model, in quotes.
func (a *Answer) appendModel(b []byte) []byte { return gjson.AppendJSONString(b, a.Model) }

// Event is one event of a streamed answer: its bytes, and the tokens in it.
type Event struct {
	Bytes  []byte
	Tokens int
}

// Stream yields the events of a streamed answer, one for each piece of each choice, and the end as the last one. An
// event is valid until the next one.
func (e *Endpoint) Stream(a *Answer, perPiece int) func(yield func(Event) bool) {
	return func(yield func(Event) bool) {
		s, b := e.stream(a), make([]byte, 0, 512)
		left := a.Tokens * a.Choices
		for i, text := range a.Pieces {
			for choice := range a.Choices {
				tokens := min(max(1, perPiece), left)
				left -= tokens
				if b = s.piece(b[:0], choice, i == 0, text); !yield(Event{b, tokens}) {
					return
				}
			}
		}
		if len(a.Pieces) == 0 {
			b = s.piece(b[:0], 0, true, "")
			yield(Event{s.end(b), 0})
			return
		}
		yield(Event{s.end(b[:0]), 0})
	}
}
