package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// str reads the string whose opening quote is at i.
func (s *scan) str(i int) (next int, escaped bool, wrong Problem) {
	start := i
	i, ascii := plain(s.text, i+1)
	for {
		switch {
		case i == len(s.text):
			wrong = wantQuote
		case s.text[i] == '\\':
			escaped = true
			if i, wrong = escape(s.text, i); wrong == "" {
				var more bool
				i, more = plain(s.text, i)
				ascii = ascii && more
				continue
			}
		case s.text[i] == '"':
			i++
		default:
			wrong = wantNoControl
		}
		if s.utf8 && !ascii {
			if at := firstInvalid(s.text[start:i]); at >= 0 {
				return start + at, escaped, NotUTF8
			}
		}
		return i, escaped, wrong
	}
}

// The search looks at eight bytes at once, as a 64-bit number. The highest bit of each byte is set where the byte that
// is searched for has been found.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain returns the index of the first quote, backslash or control character from i on. It also reports whether all
// bytes before it are ASCII; it may report false although they are.
func plain(text []byte, i int) (next int, ascii bool) {
	var seen uint64
	for ; i+16 <= len(text); i += 16 {
		a, b := binary.LittleEndian.Uint64(text[i:]), binary.LittleEndian.Uint64(text[i+8:])
		seen |= a
		if m := special(a); m != 0 {
			return i + bits.TrailingZeros64(m)>>3, seen&highs == 0
		}
		seen |= b
		if m := special(b); m != 0 {
			return i + 8 + bits.TrailingZeros64(m)>>3, seen&highs == 0
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
		seen |= uint64(text[i])
	}
	return i, seen&highs == 0
}

// special marks the quotes, backslashes and control characters among the eight bytes of w. Subtracting one from each
// byte of w^quote borrows from the highest bit exactly where a quote is. A byte below the first mark is never marked
// wrongly, so the first mark is always right. &^ w removes the marks of bytes that are not ASCII.
func special(w uint64) uint64 {
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return ((quote - ones) | (backslash - ones) | (w - ones*' ')) &^ w & highs
}

// escape reads the backslash at i, and the escapes that follow it directly.
func escape(text []byte, i int) (next int, wrong Problem) {
	for i < len(text) && text[i] == '\\' {
		if i++; i == len(text) || !escapable[text[i]] {
			return i, wantEscape
		}
		i++
		if text[i-1] != 'u' {
			continue
		}
		for end := i + 4; i < end; i++ {
			if i == len(text) || !isHex(text[i]) {
				return i, wantHex
			}
		}
	}
	return i, ""
}

// escapable are the bytes that may follow a backslash.
var escapable = [256]bool{
	'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true, 'u': true,
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// firstInvalid returns the index of the first byte that is not valid UTF-8, or -1.
func firstInvalid(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	i := 0
	for {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}
