package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/live"
)

// rowsOf are the beginnings of the rows in docs/protections.md that are about a step of a request's way, where that is
// not the step's title.
var rowsOf = map[string][]string{
	"watching":  {"tracing", "request ID", "one log line", "request metrics", "pages of other origins", "panics"},
	"admission": {"pod admission"}, "deadline": {"SLA deadline"}, "header_limit": {"headers that go on are short"},
	"user_concurrency": {"a user's share of a pod"}, "shed": {"load shedding"},
	"payload":     {"memory budget", "deep JSON", "slow bodies"},
	"token_limit": {"tokens of a user"}, "lanes": {"lanes"}, "vendor": {"one exchange"},
}

// TestProtectionsAreWhole: each step of a request's way, and each metric of the service, has its row.
func TestProtectionsAreWhole(t *testing.T) {
	t.Parallel()
	table := read(t, "docs/protections.md")
	for _, step := range live.Way() {
		if step.Part == live.PartBesides {
			continue
		}
		rows, other := rowsOf[step.Name]
		if !other {
			rows = []string{step.Title}
		}
		for _, row := range rows {
			if !regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(row) + `\b`).MatchString(table) {
				t.Errorf("%s: no row begins with %q", step.Name, row)
			}
		}
	}
	code, _ := source(t, filepath.Join(root, "internal"))
	inServer, _ := source(t, filepath.Join(root, "cmd/server"))
	metrics := 0
	for _, m := range regexp.MustCompile(`"(llm_[a-z_]*[a-z])"`).FindAllStringSubmatch(code+inServer, -1) {
		metrics++
		if !strings.Contains(table, "`"+m[1]+"`") && !strings.Contains(table, "`"+m[1]+"{") {
			t.Errorf("no row has the metric %s", m[1])
		}
	}
	if metrics < 60 {
		t.Errorf("only %d metrics", metrics)
	}
}

// TestProtectionsNameWhatExists checks that every file, test, metric and setting in the table of docs/protections.md
// exists in the code.
func TestProtectionsNameWhatExists(t *testing.T) {
	t.Parallel()
	code, tests := source(t, root)
	page := read(t, "docs/configuration.md")
	table := read(t, "docs/protections.md")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| protection") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			name := m[1]
			var found bool
			switch {
			case strings.HasSuffix(name, ".go"):
				found = exists(name)
			case strings.HasPrefix(name, "Test"), strings.HasPrefix(name, "Fuzz"):
				found = strings.Contains(tests, "func "+name+"(")
			case strings.HasPrefix(name, "LLM_"):
				found = strings.Contains(page, "| `"+name+"` |")
			default: // metrics, perhaps with labels, log fields and spans
				name, _, _ = strings.Cut(name, "{")
				found = strings.Contains(code, `"`+name+`"`)
			}
			if !found {
				t.Errorf("%s is not there: %s", name, strings.TrimSpace(line))
			}
		}
	}
}

func exists(name string) bool {
	for _, dir := range []string{".", "internal/middleware", "internal/llm"} {
		if _, err := os.Stat(filepath.Join(root, dir, name)); err == nil {
			return true
		}
	}
	return false
}

// source returns the text of all Go files below root, except tests.
func source(t *testing.T, root string) (code, tests string) {
	t.Helper()
	var c, s strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.HasSuffix(path, "_test.go") {
			s.Write(text)
		} else {
			c.Write(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.String(), s.String()
}

// read returns the text of a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
