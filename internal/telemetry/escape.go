package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// escaped writes the log's JSON with every bidirectional control character as \uXXXX. Such a character in a text of a
// client or a vendor would make a terminal show the line in another order.
type escaped struct{ w io.Writer }

// Write writes lines. JSON is ASCII outside of strings, so all that is replaced is in a string.
func (e escaped) Write(line []byte) (int, error) {
	if !mayHoldControls(line) {
		return e.w.Write(line)
	}
	clean := make([]byte, 0, len(line)+32)
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		if bidirectional(r) {
			clean = fmt.Appendf(clean, `\u%04x`, r)
		} else {
			clean = append(clean, line[i:i+size]...)
		}
		i += size
	}
	if _, err := e.w.Write(clean); err != nil {
		return 0, err
	}
	return len(line), nil
}

// mayHoldControls reports whether the line has a byte with which a control begins in UTF-8. Most lines have none.
func mayHoldControls(line []byte) bool {
	return bytes.IndexByte(line, 0xd8) >= 0 || bytes.Contains(line, []byte("\xe2\x80")) ||
		bytes.Contains(line, []byte("\xe2\x81"))
}

// bidirectional reports whether r is one of Unicode's bidirectional controls.
func bidirectional(r rune) bool {
	return r == 0x061c || r == 0x200e || r == 0x200f || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}
