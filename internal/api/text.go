package api

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// maxDepth is how deep a body may nest. The parser calls itself for each level: without the limit, one mebibyte of "["
// made it take a quarter of a gibibyte of stack.
const maxDepth = 1000

// byteOrderMark is what some editors put in front of UTF-8. JSON does not allow it.
const byteOrderMark = "\xef\xbb\xbf"

// checkText refuses bodies that the parser would let pass or would choke on. The error is a *outcome.Rejected.
func checkText(body []byte) error {
	switch {
	case bytes.HasPrefix(body, []byte(byteOrderMark)):
		return notJSON("The body begins with a byte order mark; send plain UTF-8.")
	case !utf8.Valid(body):
		return notJSON(fmt.Sprintf("Byte %d is not UTF-8, which is what JSON is written in.", firstInvalid(body)+1))
	case bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) > maxDepth && tooDeep(body): // counting is cheap, looking is not
		return notJSON(fmt.Sprintf("The body nests deeper than %d levels.", maxDepth))
	}
	return nil
}

func notJSON(detail string) error {
	return &outcome.Rejected{Layer: "payload", Reason: outcome.InvalidJSON, Detail: detail}
}

// firstInvalid is the index of the first byte that is not UTF-8, len(b) when all are.
func firstInvalid(b []byte) int {
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	return i
}

// tooDeep tells whether b, taken for JSON, nests deeper than maxDepth. Brackets within strings do not count.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // whatever it is, it ends no string
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
