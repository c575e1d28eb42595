package prove

import "strings"

// columns is the length of the longest line of prose in the report.
const columns = 120

// wrap breaks a paragraph into lines of at most columns bytes. A longer word has a line of its own.
func wrap(text string) string {
	var b strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case length == 0:
		case length+1+len(word) > columns:
			b.WriteByte('\n')
			length = 0
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}
