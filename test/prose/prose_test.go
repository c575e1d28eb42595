package prose_test

import (
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/test/prose"
)

func TestLinesAreNotTooLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", prose.Columns+1)
	full := strings.Repeat("12345 ", prose.Columns/6-1) + "123456"
	for _, c := range []struct{ text, indent, want string }{
		{"", "", ""},
		{" one\n two ", "", "one two"},
		{"one two", "  ", "  one two"},
		{full, "", full},
		{full + " next", "", full + "\nnext"},
		{full, "  ", "  " + strings.TrimSuffix(full, " 123456") + "\n  123456"},
		{"before " + long + " x", "", "before\n" + long + "\nx"},
	} {
		if got := prose.Wrap(c.text, c.indent); got != c.want {
			t.Errorf("Wrap(%q, %q) = %q, want %q", c.text, c.indent, got, c.want)
		}
	}
}
