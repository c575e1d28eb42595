package prove

import (
	"strings"
	"testing"
)

func TestProseHasNoLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", columns+1)
	full := strings.Repeat("12345 ", columns/6-1) + "123456"
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" one\n two ", "one two"},
		{full, full},
		{full + " next", full + "\nnext"},
		{"before " + long + " x", "before\n" + long + "\nx"},
	} {
		if got := wrap(c.text); got != c.want {
			t.Errorf("wrap(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}
