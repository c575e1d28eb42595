// Package docs checks that the documentation does what it says.
package docs

import (
	"encoding/json"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

const root = "../.."

// TestExtend adds the blocks of docs/extend.md to the source, by an overlay that does not change files, and runs the
// tests on that page with the tests that check such changes. Only the changed packages are compiled: the rest comes
// from the build cache, because the flags are those of this test.
func TestExtend(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "extend.md"))
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string]struct{ packages, tests string }{
		"An endpoint":                    {"./internal/api", "^(TestSummaries|TestOpenAPI.*|TestRoutes.*)$"},
		"A further endpoint of a vendor": {"./internal/api", "^(TestCountTokens|TestOpenAPI.*)$"},
		"A vendor":                       {"./internal/llm/upstream", "^(TestVendor.*)$"},
		"A gate":                         {"./internal/llm ./internal/llm/chain", "^(TestHeavy.*|ExampleChain_Order)$"},
	}
	sections := strings.Split(string(page), "\n## ")[1:]
	if len(sections) != len(runs)+1 {
		t.Errorf("%d sections, %d of them tested", len(sections), len(runs)+1)
	}
	for _, text := range sections {
		title, _, _ := strings.Cut(text, "\n")
		if title == lanesTitle { // which is settings
			continue
		}
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			o := &overlay{tb: t, files: map[string]string{}}
			o.add(text)
			run := runs[title]
			args := proctest.GoArgs("test", "-v", "-vet=off", "-overlay", o.write(), "-run", run.tests)
			test := proctest.Command(t, "go", append(args, strings.Fields(run.packages)...)...)
			test.Dir = root
			out, err := test.CombinedOutput()
			if err != nil || strings.Contains(string(out), "no tests to run") || len(o.shown) == 0 {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, name := range o.shown {
				if !strings.Contains(string(out), "--- PASS: "+name+" ") {
					t.Errorf("%s did not run:\n%s", name, out)
				}
			}
		})
	}
}

// overlay is the source with the changes of a page.
type overlay struct {
	tb    testing.TB
	files map[string]string // path below root -> text
	shown []string          // names of the tests the page shows
}

var (
	block    = regexp.MustCompile("(?s)```(go|diff)\n(.*?)```")
	newFile  = regexp.MustCompile(`^// file: (\S+)\n`)
	fileName = regexp.MustCompile("`([a-z_/]+/[a-z_]+\\.(?:go|json))`")
	testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// add adds the blocks of a text. A diff changes the file that was named last before it.
func (o *overlay) add(text string) {
	o.tb.Helper()
	for _, at := range block.FindAllStringSubmatchIndex(text, -1) {
		kind, body := text[at[2]:at[3]], text[at[4]:at[5]]
		if kind == "diff" {
			named := fileName.FindAllStringSubmatch(text[:at[0]], -1)
			o.change(named[len(named)-1][1], body)
			continue
		}
		name := newFile.FindStringSubmatch(body)
		if name == nil {
			o.tb.Errorf("this block does not say which file it is:\n%s", body)
			continue
		}
		if _, err := os.Stat(filepath.Join(root, name[1])); err == nil {
			o.tb.Errorf("%s is there already", name[1])
		}
		code := strings.TrimPrefix(body, name[0])
		if formatted, err := format.Source([]byte(code)); err != nil || string(formatted) != code {
			o.tb.Errorf("%s is not formatted (%v)", name[1], err)
		}
		o.files[name[1]] = code
		for _, test := range testName.FindAllStringSubmatch(body, -1) {
			o.shown = append(o.shown, test[1])
		}
	}
}

// change applies a diff without line numbers: the lines that stay and go have to be in the file exactly once.
func (o *overlay) change(name, diff string) {
	o.tb.Helper()
	text, ok := o.files[name]
	if !ok {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			o.tb.Fatal(err)
		}
		text = string(content)
	}
	var before, after strings.Builder
	for line := range strings.Lines(diff) {
		sign, rest := line[0], line[1:]
		if sign != '+' {
			before.WriteString(rest)
		}
		if sign != '-' {
			after.WriteString(rest)
		}
	}
	if n := strings.Count(text, before.String()); n != 1 {
		o.tb.Fatalf("%s has this %d times, want once:\n%s", name, n, &before)
	}
	o.files[name] = strings.Replace(text, before.String(), after.String(), 1)
}

// write puts the files into a directory and returns the overlay for go's -overlay.
func (o *overlay) write() string {
	o.tb.Helper()
	dir := o.tb.TempDir()
	replace := map[string]string{}
	for name, text := range o.files {
		there, err := filepath.Abs(filepath.Join(root, name))
		if err != nil {
			o.tb.Fatal(err)
		}
		here := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		replace[there] = here
		if err := os.WriteFile(here, []byte(text), 0o600); err != nil {
			o.tb.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		o.tb.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		o.tb.Fatal(err)
	}
	return path
}
