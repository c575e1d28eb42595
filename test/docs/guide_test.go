package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuideNamesWhatExists: every row of docs/guide.md leads to a file and to a test that are there.
func TestGuideNamesWhatExists(t *testing.T) {
	t.Parallel()
	_, tests := source(t, root)
	rows := map[string]int{}
	section := ""
	for line := range strings.Lines(read(t, "docs/guide.md")) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(title)
		}
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[3]) == "test" {
			continue
		}
		rows[section]++
		for i, check := range map[int]func(name string) bool{
			2: func(name string) bool { _, err := os.Stat(filepath.Join(root, name)); return err == nil },
			3: func(name string) bool { return strings.Contains(tests, "func "+name+"(") },
		} {
			names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[i], -1)
			if len(names) == 0 {
				t.Errorf("nothing is named in column %d: %s", i, line)
			}
			for _, m := range names {
				if !check(m[1]) {
					t.Errorf("%s is not there: %s", m[1], line)
				}
			}
		}
	}
	for section, want := range map[string]int{"Key principles": 10, "Common mistakes": 10, "Checklist": 14 + 4} {
		if rows[section] != want {
			t.Errorf("%s has %d rows, the guide has %d", section, rows[section], want)
		}
	}
	if rows["Parts"] < 30 {
		t.Errorf("the parts have %d rows", rows["Parts"])
	}
}
