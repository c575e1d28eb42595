package docs

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSettingsHaveTheirComment: the description of a setting, which -config-help and docs/configuration.md print, is
// also the comment of its field, for readers of the code. With -update the test writes the comments.
func TestSettingsHaveTheirComment(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("../../internal/*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	settings := 0
	for _, file := range append(files, deeper...) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(source, []byte(`desc:"`)) || strings.HasSuffix(file, "_test.go") {
			continue
		}
		fields := describedFields(t, file, source)
		settings += len(fields)
		fields = slices.DeleteFunc(fields, func(f described) bool { return f.comment == f.description })
		switch {
		case len(fields) == 0:
		case *update:
			if err := os.WriteFile(file,
				withComments(t, source, fields), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s: the comment above %s differs from its desc tag: go test ./test/docs -run %s -update",
				file, fields[0].name, t.Name())
		}
	}
	if settings < 50 {
		t.Errorf("%d settings were found: the test looks in the wrong place", settings)
	}
}

// described is a field with a desc tag.
type described struct {
	name, description, comment string
	first, line                int // lines of the comment's begin and of the field, from 1
}

func describedFields(t *testing.T, file string, source []byte) (fields []described) {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		f, is := n.(*ast.Field)
		if !is || f.Tag == nil || len(f.Names) == 0 {
			return true
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		description, has := reflect.StructTag(tag).Lookup("desc")
		if !has {
			return true
		}
		line := set.Position(f.Names[0].Pos()).Line
		d := described{name: f.Names[0].Name, description: description, first: line, line: line}
		if f.Doc != nil {
			d.first = set.Position(f.Doc.Pos()).Line
			d.comment = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
		fields = append(fields, d)
		return true
	})
	return fields
}

// withComments returns the source with each field's description as its comment.
func withComments(t *testing.T, source []byte, fields []described) []byte {
	t.Helper()
	lines := strings.Split(string(source), "\n")
	slices.Reverse(fields)
	for _, f := range fields {
		lines = slices.Replace(lines, f.first-1, f.line-1, commentLines(f.description)...)
	}
	formatted, err := format.Source([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return formatted
}

// commentLines breaks a text into the lines of a comment, 120 columns at most with tabs of four.
func commentLines(text string) (lines []string) {
	const most = 120 - 4
	line := "//"
	for word := range strings.FieldsSeq(text) {
		if len([]rune(line))+1+len([]rune(word)) > most {
			lines, line = append(lines, "\t"+line), "//"
		}
		line += " " + word
	}
	return append(lines, "\t"+line)
}
