package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProtectionsNameWhatExists checks that every file, test, metric and setting in the table of docs/protections.md
// exists in the code.
func TestProtectionsNameWhatExists(t *testing.T) {
	t.Parallel()
	code, tests := source(t, root)
	page := read(t, "docs/configuration.md")
	table := read(t, "docs/protections.md")
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| protection") {
			continue
		}
		rows++
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
	if rows < 40 {
		t.Errorf("only %d rows", rows)
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
