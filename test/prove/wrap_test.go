package prove

import (
	"strings"
	"testing"
)

func TestProseHasNoLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", columns+1)
	full := strings.Repeat("12345 ", columns/6-1) + "123456"
	for text, want := range map[string]string{
		"":                      "",
		" one\n two ":           "one two",
		full:                    full,
		full + " next":          full + "\nnext",
		"before " + long + " x": "before\n" + long + "\nx",
	} {
		if got := wrap(text); got != want {
			t.Errorf("wrap(%q) = %q, want %q", text, got, want)
		}
	}
}
