package jsonscan

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Problem is what a text lacks at the place of a mistake, from a closed list. The empty string means no problem.
type Problem string

// Problems that are not about grammar. All others name what is expected at the place of the mistake.
const (
	TooDeep Problem = "too deep"
	NotUTF8 Problem = "not UTF-8"
)

const (
	wantValue          Problem = "a value"
	wantTrue           Problem = "true"
	wantFalse          Problem = "false"
	wantNull           Problem = "null"
	wantDigit          Problem = "a digit"
	wantKey            Problem = "a name in double quotes"
	wantKeyOrEnd       Problem = `a name in double quotes or "}"`
	wantColon          Problem = `":" after the name`
	wantCommaOrBrace   Problem = `"," or "}" after the value`
	wantCommaOrBracket Problem = `"," or "]" after the value`
	wantNothing        Problem = "nothing after the value"
	wantQuote          Problem = `the double quote that ends the string`
	wantEscape         Problem = `one of "\/bfnrtu after the backslash`
	wantHex            Problem = `four hexadecimal digits after \u`
	wantNoControl      Problem = `its escape: a string has no control characters`
)

// Error is the first mistake in a text.
type Error struct {
	Problem Problem
	Offset  int    // of the first wrong byte, counted from 0; the length of the text when it ends too early
	found   string // what the text has there
}

func (e *Error) Error() string {
	switch e.Problem {
	case TooDeep:
		return fmt.Sprintf("arrays and objects nest deeper than %d levels", MaxDepth)
	case NotUTF8:
		return fmt.Sprintf("byte %d is not UTF-8", e.Offset+1)
	}
	return fmt.Sprintf("unexpected %s, want %s", e.found, e.Problem)
}

// mistake builds the error of a text that is wrong at a byte.
func (s *scan) mistake(at int, wrong Problem) error {
	if at == len(s.text) {
		return &Error{Problem: wrong, Offset: at, found: "end"}
	}
	r, n := utf8.DecodeRune(s.text[at:])
	switch {
	case r != utf8.RuneError || n > 1:
		return &Error{Problem: wrong, Offset: at, found: fmt.Sprintf("%q", r)}
	case s.utf8 && wrong != TooDeep:
		wrong = NotUTF8 // this explains a text in another encoding better
	}
	return &Error{Problem: wrong, Offset: at, found: fmt.Sprintf("byte 0x%02x", s.text[at])}
}

// Position turns the offset of a byte into its line and column, both counted from 1, columns in bytes. It reads the
// text up to the offset, so it should be called only for texts with a mistake.
func Position(text []byte, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}
