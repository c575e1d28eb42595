package chart_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write what is generated: the chart's README and k8s/base")

// documented is one value with its default and the comment above it.
type documented struct{ name, def, about string }

// TestEveryValueIsDocumented reads values.yaml: each value has a comment that begins with "# --", above it or above its
// group. helm/spillway/README.md has the same text; `make generate` writes it.
func TestEveryValueIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	all := walk("", file.Content[0])
	if len(all) < 100 {
		t.Errorf("only %d values", len(all))
	}
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;") // Markdown would take them for its own
	var table strings.Builder
	table.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, v := range all {
		if v.about == "" {
			t.Errorf("%s is not documented", v.name)
		}
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.name, v.def, escape.Replace(v.about))
	}
	page := filepath.Join(chartDir, "README.md")
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(got, []byte("<!-- values -->\n"))
	_, tail, ok2 := bytes.Cut(rest, []byte("<!-- end of values -->\n"))
	if !ok || !ok2 {
		t.Fatal("the page has no place for the values")
	}
	want := fmt.Sprintf("%s<!-- values -->\n%s<!-- end of values -->\n%s", head, table.String(), tail)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(got) != want {
		t.Errorf("%s is stale: run make generate", page)
	}
}

// walk lists the values below node in order. Maps in braces count as one value.
func walk(prefix string, node *yaml.Node) (all []documented) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := prefix + key.Value
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
			all = append(all, inherit(comment(key), walk(name+".", value))...)
			continue
		}
		all = append(all, documented{name, compact(value), comment(key)})
	}
	return all
}

// inherit gives the group's comment to its first member without one, when no member has any.
func inherit(about string, members []documented) []documented {
	for _, m := range members {
		if m.about != "" {
			return members
		}
	}
	for i := range members {
		members[i].about = about
		if about != "" && i > 0 {
			members[i].about = "″" // ditto
		}
	}
	return members
}

// comment is the text after "# --" above key, in one line.
func comment(key *yaml.Node) string {
	_, text, ok := strings.Cut("\n"+key.HeadComment, "\n# -- ")
	if !ok {
		return ""
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n#", " ")), " ")
}

// compact returns a value in one line, in the form of --set-json.
func compact(node *yaml.Node) string {
	flat := *node
	flat.Style |= yaml.FlowStyle
	text, err := yaml.Marshal(&flat)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// TestSchemaKnowsTheValues: values.yaml has every value that the schema allows, so that users find it.
func TestSchemaKnowsTheValues(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var schema, defaults map[string]any
	if err := errors.Join(yaml.Unmarshal(text, &schema), yaml.Unmarshal(file, &defaults)); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, schema, value map[string]any)
	compare = func(path string, schema, value map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for name, s := range properties {
			v, ok := value[name]
			if !ok && path+name != ".global" {
				t.Errorf("values.yaml does not name %s%s", path, name)
			}
			if child, ok := v.(map[string]any); ok && s.(map[string]any)["additionalProperties"] == false {
				compare(path+name+".", s.(map[string]any), child)
			}
		}
	}
	compare(".", schema, defaults)
}
