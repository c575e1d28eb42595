package config

import (
	"testing"

	"pgregory.net/rapid"
)

// TestEdits checks the distance against what any distance has to obey.
func TestEdits(t *testing.T) {
	t.Parallel()
	if d := edits("LLM_SLTOS", "LLM_SLOTS"); d != 2 {
		t.Errorf("two swapped letters are %d edits", d)
	}
	word := rapid.StringMatching(`[A-C]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		if edits(a, b) != edits(b, a) || (edits(a, b) == 0) != (a == b) || edits(a, c) > edits(a, b)+edits(b, c) {
			t.Errorf("%q %q %q: %d %d %d", a, b, c, edits(a, b), edits(b, c), edits(a, c))
		}
		if d := edits(a, b); d < max(len(a), len(b))-min(len(a), len(b)) || d > max(len(a), len(b)) {
			t.Errorf("%q %q: %d", a, b, d)
		}
	})
}
