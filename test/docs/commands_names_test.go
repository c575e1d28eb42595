package docs

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

// inK8s is the text of all manifests in k8s/.
func inK8s(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"base/*.yaml", "components/*/*.yaml", "overlays/*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, "k8s", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString("\n---\n" + read(t, name))
		}
	}
	return all.String()
}

// manifests are the kinds and names of the objects in k8s/.
func manifests(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	object := regexp.MustCompile(`(?ms)^kind: (\w+)$.*?^metadata:\n(?:  .*\n)*?  name: (\S+)$`)
	for document := range strings.SplitSeq(inK8s(t), "\n---\n") {
		if m := object.FindStringSubmatch(document); m != nil {
			all[m[1]+" "+m[2]] = true
		}
	}
	return all
}

// TestSecretsAreUsed: something refers to each Secret and namespace that the pages create.
func TestSecretsAreUsed(t *testing.T) {
	t.Parallel()
	made := regexp.MustCompile(`create (?:secret generic|secret tls|namespace) (\S+)`)
	k8s := inK8s(t)
	seen := 0
	for _, r := range rows(t) {
		m := made.FindStringSubmatch(r.text)
		if m == nil {
			continue
		}
		seen++
		isSet := slices.ContainsFunc(rows(t), func(o row) bool {
			return o.page == r.page && strings.Contains(o.text+" ", "existingSecret="+m[1]+" ")
		})
		name := regexp.MustCompile(`(?:[nN]ame|[nN]amespace): ["']?` + regexp.QuoteMeta(m[1]) + `["']?\s*[,}\n]`)
		if !isSet && !name.MatchString(k8s) {
			t.Errorf("%s: nothing uses %s", r.page, m[1])
		}
	}
	if seen < 5 {
		t.Errorf("only %d", seen)
	}
}

// TestOwnFlags: our programs know the flags that the pages give them. Flags are read up to -h, which ends the program.
func TestOwnFlags(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, r := range rows(t) {
		program, args := parts(r.text)
		if program != "go" || args[0] != "run" || len(args) < 3 {
			continue
		}
		seen++
		help := proctest.Command(t, "go", proctest.GoArgs("run", append(slices.Clone(args[1:]), "-h")...)...)
		help.Dir = root
		if out, err := help.CombinedOutput(); err != nil {
			t.Errorf("%s: %s: %v\n%s", r.page, r.text, err, out)
		}
	}
	if seen < 3 {
		t.Errorf("only %d", seen)
	}
}

// TestHelmSetsExist: the chart has every value that the pages set with helm.
func TestHelmSetsExist(t *testing.T) {
	t.Parallel()
	type schema struct {
		Properties map[string]json.RawMessage
	}
	sets := 0
	for _, r := range rows(t) {
		if !strings.Contains(r.text, " helm/") {
			continue
		}
		for _, m := range regexp.MustCompile(`--set '?([A-Za-z.]+)=`).FindAllStringSubmatch(r.text, -1) {
			sets++
			at := json.RawMessage(read(t, "helm/spillway/values.schema.json"))
			for name := range strings.SplitSeq(m[1], ".") {
				var s schema
				if err := json.Unmarshal(at, &s); err != nil {
					t.Fatal(err)
				}
				if at = s.Properties[name]; at == nil {
					t.Fatalf("%s: the chart has no value %s", r.page, m[1])
				}
			}
		}
	}
	if sets < 5 {
		t.Errorf("only %d values", sets)
	}
}
