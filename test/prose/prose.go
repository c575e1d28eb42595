// Package prose breaks text into lines, for the pages that measurements write.
package prose

import "strings"

// Columns is the length of the longest line of prose in the repository.
const Columns = 120

// Wrap breaks a paragraph into lines of at most Columns bytes, each of which begins with indent. A word that is too
// long has a line of its own.
func Wrap(text, indent string) string {
	var b strings.Builder
	length := 0 // of the line so far; 0: it has no word yet
	for word := range strings.FieldsSeq(text) {
		switch {
		case length == 0:
			b.WriteString(indent)
			length = len(indent)
		case length+1+len(word) > Columns:
			b.WriteString("\n" + indent)
			length = len(indent)
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}
