package chart_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const manifestsDir = "../../k8s"

// generated lists for each folder of k8s/ its objects and their rendering. The values are those of an overlay (or only
// those of the base), with more settings; keep selects the objects.
var generated = []struct {
	dir, overlay, set string
	keep              func(o object) bool
}{
	{"base", "", "", func(o object) bool { return o.kind() != "Pod" && !isSettings(o) }},
	{"components/redis", "dev", "", inComponent("redis")},
	{"components/vendorsim", "dev", "", inComponent("vendorsim")},
	{"components/gateway-envoy", "prod", "", inComponent("gateway")},
	{"components/keda", "prod", "", ofKind("ScaledObject")},
	{"components/hpa", "", "autoscaling.enabled=true", ofKind("HorizontalPodAutoscaler")},
	{"components/monitoring", "prod", "", func(o object) bool {
		return ofKind("ServiceMonitor", "PrometheusRule")(o) || strings.HasSuffix(o.name(), "-dashboard")
	}},
}

func inComponent(name string) func(object) bool {
	return func(o object) bool {
		return o.at("metadata", "labels", "app.kubernetes.io/component") == name
	}
}

func ofKind(kinds ...string) func(object) bool {
	return func(o object) bool { return slices.Contains(kinds, o.kind()) }
}

// isSettings reports whether o is the ConfigMap with the service's settings. In k8s/ it is generated from settings.env,
// so that its name depends on its content there too, with the changes of an overlay.
func isSettings(o object) bool { return o.kind() == "ConfigMap" && o.at("data", "LLM_ADDR") != nil }

// TestSettingsManifestIsTheChart fails when k8s/base/settings.env is not what the chart renders. `make manifests`
// writes it.
func TestSettingsManifestIsTheChart(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("# Generated from helm/spillway by `make manifests`. " +
		"Change the chart, or merge into this in an overlay.\n")
	for _, o := range chartFor(t, "", "") {
		if !isSettings(o) {
			continue
		}
		data := o.at("data").(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(data)) {
			fmt.Fprintf(&text, "%s=%s\n", name, data[name])
		}
	}
	checkFile(t, filepath.Join(manifestsDir, "base", "settings.env"), text.String())
}

// checkFile fails when the file at path has another text; with -update it writes it first.
func checkFile(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is stale (%v): run make manifests", path, err)
	}
}

// TestManifestsAreTheChart fails when k8s/ is not what the chart renders. `make manifests` writes it.
func TestManifestsAreTheChart(t *testing.T) {
	t.Parallel()
	for _, g := range generated {
		t.Run(g.dir, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			text.WriteString("# Generated from helm/spillway by `make manifests`. " +
				"Change the chart, or patch this in an overlay.\n")
			count := 0
			for _, o := range chartFor(t, g.overlay, g.set) {
				if !g.keep(o) {
					continue
				}
				count++
				document, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&text, "---\n%s", document)
			}
			if count == 0 {
				t.Fatal("the chart has no such objects")
			}
			checkFile(t, filepath.Join(manifestsDir, g.dir, "manifests.yaml"), text.String())
		})
	}
}

// TestOverlaysAreTheChart builds each overlay as kubectl does and compares it with what the chart renders from the
// values beside it, so that the hand-written patches cannot differ either.
func TestOverlaysAreTheChart(t *testing.T) {
	t.Parallel()
	for _, overlay := range []string{"dev", "prod"} {
		t.Run(overlay, func(t *testing.T) {
			t.Parallel()
			built, want := build(t, filepath.Join(manifestsDir, "overlays", overlay)), byName(chartFor(t, overlay, ""))
			for _, name := range slices.Sorted(maps.Keys(want)) {
				got, ok := built[name]
				if !ok {
					t.Errorf("the overlay has no %s", name)
				} else if g, w := flat("", got), flat("", want[name]); !reflect.DeepEqual(g, w) {
					t.Errorf("%s differs: %s", name, difference(g, w))
				}
			}
			for name := range built {
				if _, ok := want[name]; !ok {
					t.Errorf("the chart has no %s", name)
				}
			}
		})
	}
}

// TestOverlaysNameTheirSettingsByContent builds the base and an overlay that changes a setting. Each Deployment must
// name an existing ConfigMap, and not the same one, so that pods of the former configuration can start again.
func TestOverlaysNameTheirSettingsByContent(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, dir := range []string{"base", "overlays/prod"} {
		result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(),
			filepath.Join(manifestsDir, dir))
		if err != nil {
			t.Fatal(err)
		}
		text, err := result.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		objects, err := decode(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if isSettings(o) && strings.Contains(string(text), "configMapRef:\n            name: "+o.name()+"\n") {
				names[o.name()] = true
			}
		}
	}
	if len(names) != 2 {
		t.Errorf("the settings are named %v, want two names that the Deployments use", slices.Sorted(maps.Keys(names)))
	}
}

// TestReadmeMakesWhatProdNeeds reads the commands in k8s/README.md in order: before the prod overlay is applied, its
// namespace and every Secret that it names are made there.
func TestReadmeMakesWhatProdNeeds(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(manifestsDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(page), "\nkubectl apply -k k8s/overlays/prod\n")
	_, before, ok2 := strings.Cut(before, "\nkubectl create namespace spillway\n")
	if !ok || !ok2 {
		t.Fatal("the page does not make the namespace and apply the overlay then")
	}
	named := map[string]bool{}
	for _, o := range build(t, filepath.Join(manifestsDir, "overlays", "prod")) {
		for path, value := range flat("", o) {
			if strings.HasSuffix(path, ".secretName") || strings.HasSuffix(path, ".secret.name") ||
				strings.Contains(path, ".certificateRefs[") && strings.HasSuffix(path, ".name") {
				named[value.(string)] = true
			}
		}
	}
	if len(named) != 4 {
		t.Errorf("the overlay names %v", slices.Sorted(maps.Keys(named)))
	}
	for secret := range named {
		if !regexp.MustCompile(`(?m)^kubectl -n spillway create secret \S+ ` + secret + ` `).MatchString(before) {
			t.Errorf("nothing makes the Secret %s", secret)
		}
	}
}

// TestComponentsBuildAlone adds each component to the base, in a copy.
func TestComponentsBuildAlone(t *testing.T) {
	t.Parallel()
	v, err := loadValidators()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range generated[1:] {
		t.Run(g.dir, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "k8s")
			if err := os.CopyFS(dir, os.DirFS(manifestsDir)); err != nil {
				t.Fatal(err)
			}
			overlay := filepath.Join(dir, "overlays", "one")
			if err := os.Mkdir(overlay, 0o755); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("resources: [../../base]\ncomponents: [../../%s]\n", g.dir)
			if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			for name, o := range build(t, overlay) {
				if err := v.check(o); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// chartFor renders the chart with k8s/base/values.yaml, the overlay's own values, and set. Labels of Helm and its test
// hooks are removed.
func chartFor(tb testing.TB, overlay, set string) (objects []object) {
	tb.Helper()
	all := map[string]any{}
	files := []string{"base/values.yaml"}
	if overlay != "" {
		files = append(files, "overlays/"+overlay+"/values.yaml")
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(manifestsDir, file))
		if err != nil {
			tb.Fatal(err)
		}
		var more map[string]any
		if err := yaml.UnmarshalStrict(text, &more); err != nil {
			tb.Fatal(err)
		}
		merge(all, more)
	}
	if err := strvals.ParseInto(set, all); err != nil {
		tb.Fatal(err)
	}
	texts, err := render4As("spillway", "spillway", all, nil)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := parse(texts)
	if err != nil {
		tb.Fatal(err)
	}
	for _, o := range r.objects {
		if o.kind() == "Pod" || o.kind() == "Secret" {
			continue
		}
		labels := o.at("metadata", "labels").(map[string]any)
		delete(labels, "helm.sh/chart")
		delete(labels, "app.kubernetes.io/managed-by")
		withoutHash(o)
		objects = append(objects, o)
	}
	return objects
}

// withoutHash removes the hash of the content from the name of the settings, in the ConfigMap and where it is used:
// Helm and kustomize compute it differently. It also removes the field immutable, which kustomize loses in a merge.
func withoutHash(o object) {
	if isSettings(o) {
		o["metadata"].(map[string]any)["name"] = "spillway"
		delete(o, "immutable")
	}
	containers, _ := o.at("spec", "template", "spec", "containers").([]any)
	for _, c := range containers {
		from, _ := c.(map[string]any)["envFrom"].([]any)
		for _, f := range from {
			f.(map[string]any)["configMapRef"].(map[string]any)["name"] = "spillway"
		}
	}
}

func merge(into, from map[string]any) {
	for name, value := range from {
		a, ok := into[name].(map[string]any)
		b, ok2 := value.(map[string]any)
		if ok && ok2 {
			merge(a, b)
		} else {
			into[name] = value
		}
	}
}

// build is kubectl kustomize without Secrets and namespaces, which only the overlay has.
func build(tb testing.TB, dir string) map[string]object {
	tb.Helper()
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := result.AsYaml()
	if err != nil {
		tb.Fatal(err)
	}
	objects, err := decode(string(text))
	if err != nil {
		tb.Fatal(err)
	}
	var rest []object
	for _, o := range objects {
		if o.kind() != "Secret" && o.kind() != "Namespace" {
			delete(o["metadata"].(map[string]any), "namespace")
			withoutHash(o)
			rest = append(rest, o)
		}
	}
	return byName(rest)
}

func byName(objects []object) map[string]object {
	found := map[string]object{}
	for _, o := range objects {
		found[o.String()] = o
	}
	return found
}

// flat lists the scalars of v by their paths.
func flat(path string, v any) map[string]any {
	found := map[string]any{}
	switch v := v.(type) {
	case object:
		return flat(path, map[string]any(v))
	case map[string]any:
		for name, child := range v {
			maps.Copy(found, flat(path+"."+name, child))
		}
	case []any:
		for i, child := range v {
			maps.Copy(found, flat(fmt.Sprintf("%s[%d]", path, i), child))
		}
	default:
		found[path] = v
	}
	return found
}

func difference(got, want map[string]any) string {
	var all []string
	for path, w := range want {
		if g, ok := got[path]; !ok || g != w {
			all = append(all, fmt.Sprintf("%s is %v, in the chart %v", path, g, w))
		}
	}
	for path, g := range got {
		if _, ok := want[path]; !ok {
			all = append(all, fmt.Sprintf("%s is %v, not in the chart", path, g))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
