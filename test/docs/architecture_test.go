package docs

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

var update = flag.Bool("update", false, "write the table of docs/architecture.md")

// room is a package, by its path below the module or below internal/.
type room struct {
	name    string
	imports []string // other rooms, sorted
}

// TestArchitecture compares docs/architecture.md with the imports in go list.
func TestArchitecture(t *testing.T) {
	t.Parallel()
	path := filepath.Join(root, "docs", "architecture.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, rooms := string(text), rooms(t)
	before, rest, begun := strings.Cut(page, "<!-- begin rooms -->\n")
	table, after, ended := strings.Cut(rest, "<!-- end rooms -->")
	if !begun || !ended {
		t.Fatal("the page has no place for the table")
	}
	want := tableOf(rooms)
	switch {
	case *update:
		if err := os.WriteFile(path,
			[]byte(before+"<!-- begin rooms -->\n"+want+"<!-- end rooms -->"+after), 0o600); err != nil {
			t.Fatal(err)
		}
	case table != want:
		t.Errorf("the table is not what go list says: run go test ./test/docs -run TestArchitecture -update\n%s", want)
	}
	drawn := map[string]int{}
	for i, picture := range regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(page, -1) {
		draw(t, drawn, i, picture[1], rooms)
	}
	for _, r := range rooms {
		at, there := drawn[r.name]
		if !there {
			t.Errorf("%s is in none of the pictures", r.name)
		}
		for _, below := range r.imports {
			if samePicture := at/lines == drawn[below]/lines; samePicture && drawn[below] <= at {
				t.Errorf("%s imports %s, which does not stand below it in the picture", r.name, below)
			}
		}
	}
}

// lines is more than a picture has. The position of a line is the picture's number times lines, plus the line's number.
const lines = 1000

// draw records the position of each package in a picture. Text after an arrow to the left is an explanation. A package
// after an arrow to the right has its position elsewhere.
func draw(t *testing.T, drawn map[string]int, number int, picture string, rooms []room) {
	t.Helper()
	n := 0
	for line := range strings.Lines(picture) {
		n++
		line, _, _ = strings.Cut(line, "←")
		line, _, _ = strings.Cut(line, "▶")
		for _, name := range regexp.MustCompile(`[a-z]+(/[a-z]+)*`).FindAllString(line, -1) {
			if _, twice := drawn[name]; twice {
				t.Errorf("%s is drawn twice", name)
			}
			if !slices.ContainsFunc(rooms, func(r room) bool { return r.name == name }) {
				t.Errorf("there is no room %s", name)
			}
			drawn[name] = number*lines + n
		}
	}
}

// rooms returns all packages of the service, with their imports of each other, by name.
func rooms(t *testing.T) (all []room) {
	t.Helper()
	list := proctest.Command(t, "go", "list", "-json=ImportPath,Imports,Module", "./cmd/...", "./internal/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
			Module     struct{ Path string }
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := func(path string) string {
			return strings.TrimPrefix(strings.TrimPrefix(path, pkg.Module.Path+"/"), "internal/")
		}
		r := room{name: name(pkg.ImportPath)}
		for _, path := range pkg.Imports {
			if strings.HasPrefix(path, pkg.Module.Path+"/") {
				r.imports = append(r.imports, name(path))
			}
		}
		slices.Sort(r.imports)
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b room) int { return strings.Compare(a.name, b.name) })
	return all
}

func tableOf(rooms []room) string {
	var b strings.Builder
	b.WriteString("| room | imports |\n|---|---|\n")
	for _, r := range rooms {
		names := "–"
		if len(r.imports) > 0 {
			names = "`" + strings.Join(r.imports, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.name, names)
	}
	return b.String()
}

// TestTheWayOfARequestNamesFiles checks that the files in docs/architecture.md exist.
func TestTheWayOfARequestNamesFiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:cmd|internal)/[a-z/]+\\.(?:go|lua))`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 20 {
		t.Errorf("only %d files are named", len(named))
	}
	for _, name := range named {
		if _, err := os.Stat(filepath.Join(root, name[1])); err != nil {
			t.Error(err)
		}
	}
}
