package docs

import (
	_ "embed"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guideItems are the parts of the guide in its own words: a section for each part, below it its sections, principles,
// mistakes, rules and checks, one a line.
//
//go:embed testdata/guide.txt
var guideItems string

// TestGuideHasEveryItem: each item of the guide has a row in docs/guide.md, in the guide's order, and no row is about
// something else.
func TestGuideHasEveryItem(t *testing.T) {
	t.Parallel()
	want, got := map[string][]string{}, map[string][]string{}
	section := ""
	for line := range strings.Lines(guideItems) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		} else if line != "" {
			want[section] = append(want[section], line)
		}
	}
	for _, row := range guideRows(t) {
		got[row.section] = append(got[row.section], row.item)
	}
	if len(want) < 10 || len(got) != len(want) {
		t.Errorf("the guide has %d sections, the page %d", len(want), len(got))
	}
	for section, items := range want {
		for _, item := range items {
			if !slices.Contains(got[section], item) {
				t.Errorf("%s: no row for %q", section, item)
			}
		}
		if !t.Failed() && !slices.Equal(got[section], items) {
			t.Errorf("%s: the page has %q, the guide %q", section, got[section], items)
		}
	}
}

// TestGuideNamesWhatExists: every row of docs/guide.md leads to a file and to a test that are there, or says why there
// is none.
func TestGuideNamesWhatExists(t *testing.T) {
	t.Parallel()
	code, tests := source(t, root)
	quoted := regexp.MustCompile("`([^`]+)`")
	for _, row := range guideRows(t) {
		if row.where == "the rows that follow" {
			continue
		}
		elsewhere := strings.HasPrefix(row.where, "not here: ")
		files := quoted.FindAllStringSubmatch(row.where, -1)
		if len(files) == 0 && !elsewhere && !strings.Contains(row.where, ".md#") {
			t.Errorf("%s: %q names no file", row.item, row.where)
		}
		for _, m := range files {
			name, _, _ := strings.Cut(m[1], "{")
			var found bool
			switch {
			case strings.HasPrefix(name, "llm_"):
				found = strings.Contains(code, `"`+name+`"`)
			case strings.HasPrefix(name, "LLM_"):
				found = strings.Contains(read(t, "docs/configuration.md"), "| `"+name+"` |")
			default:
				_, err := os.Stat(filepath.Join(root, name))
				found = err == nil
			}
			if !found {
				t.Errorf("%s: there is no %s", row.item, name)
			}
		}
		names := quoted.FindAllStringSubmatch(row.test, -1)
		if len(names) == 0 && !elsewhere {
			t.Errorf("%s: no test is named", row.item)
		}
		for _, m := range names {
			if !strings.Contains(tests, "func "+m[1]+"(") {
				t.Errorf("%s: there is no test %s", row.item, m[1])
			}
		}
	}
}

// guideRow is a row of docs/guide.md.
type guideRow struct{ section, item, where, test string }

func guideRows(t *testing.T) (rows []guideRow) {
	t.Helper()
	section := ""
	for line := range strings.Lines(read(t, "docs/guide.md")) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(title)
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || cells[0] == "| guide" {
			continue
		}
		rows = append(rows, guideRow{
			section, strings.TrimPrefix(cells[0], "| "), cells[1], strings.TrimSuffix(cells[2], " |")})
	}
	return rows
}
