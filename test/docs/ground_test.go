package docs

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPicturesHaveAGround: each picture fills all of itself first. GitHub shows a picture on the page's own colour, and
// black text on a dark page cannot be read.
func TestPicturesHaveAGround(t *testing.T) {
	t.Parallel()
	size := regexp.MustCompile(`viewBox="0 0 (\S+) (\S+)"`)
	shape := regexp.MustCompile(`<(rect|path|text|circle|line)[^>]*>`)
	seen := 0
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".svg" {
			return err
		}
		seen++
		name, _ := filepath.Rel(root, path)
		picture := read(t, name)
		box := size.FindStringSubmatch(picture)
		if box == nil {
			t.Fatalf("%s has no viewBox", name)
		}
		w, h := box[1], box[2]
		first := shape.FindString(picture)
		all := []string{ // in the ways that test/docs, test/scale and test/prove draw it
			`<rect width="100%" height="100%"`,
			`<rect width="` + w + `" height="` + h + `"`,
			`<path d="M0,0L` + w + `,0L` + w + `,` + h + `L0,` + h + `Z" style="fill:#`,
		}
		for _, whole := range all {
			if strings.HasPrefix(first, whole) && strings.Contains(first, "fill") {
				return nil
			}
		}
		t.Errorf("%s: the first shape is no ground for all of it: %s", name, first)
		return nil
	})
	if err != nil || seen < 10 {
		t.Errorf("%d pictures, %v", seen, err)
	}
}
