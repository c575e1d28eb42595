package config

import (
	"io"
	"slices"
	"testing"
	"text/template"

	"github.com/kelseyhightower/envconfig"
	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/llm/chain"
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

// TestNamesAreEnvconfigs compares the variables of the whole program with those that envconfig would read.
func TestNamesAreEnvconfigs(t *testing.T) {
	t.Parallel()
	var c Config
	specs := map[any]string{&chain.FurtherLane{}: "LLM_LANE_NAME"}
	for _, s := range c.sections() {
		specs[s.spec] = s.prefix
	}
	for spec, prefix := range specs {
		var want, got []string
		each := template.FuncMap{"visit": func(name string) string { want = append(want, name); return "" }}
		names := template.Must(template.New("").Funcs(each).Parse(`{{range .}}{{visit .Key}}{{end}}`))
		if err := envconfig.Usaget(prefix, spec, io.Discard, names); err != nil {
			t.Fatal(err)
		}
		for _, own := range settings(prefix, spec) {
			got = append(got, own.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%T: got %v\nwant %v", spec, got, want)
		}
	}
}
