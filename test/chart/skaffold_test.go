package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"
)

// skaffold is the part of skaffold.yaml that names files, Services and images.
type skaffold struct {
	Build struct {
		Artifacts []struct {
			Image  string
			Docker struct{ Dockerfile string }
		}
	}
	Deploy struct {
		Helm struct {
			Releases []struct {
				Name, ChartPath   string
				ValuesFiles       []string
				SetValueTemplates map[string]string
			}
		}
		Kubectl *struct{}
	}
	Manifests   struct{ Kustomize struct{ Paths []string } }
	PortForward []struct {
		ResourceType, ResourceName string
		Port, LocalPort            int
	}
}

// TestSkaffoldNamesWhatExists applies the patches of each profile, and checks that every file, value and Service exists
// that the result names.
func TestSkaffoldNamesWhatExists(t *testing.T) {
	t.Parallel()
	variants := skaffoldVariants(t)
	if len(variants) != 3 {
		t.Errorf("%d variants, want the default, manifests and production", len(variants))
	}
	for name, s := range variants {
		exists(t, s.Build.Artifacts[0].Docker.Dockerfile)
		objects := map[string]object{}
		for _, r := range s.Deploy.Helm.Releases {
			exists(t, r.ChartPath)
			files, err := render4As(r.Name, "default", releaseValues(t, r.ValuesFiles, r.SetValueTemplates), nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			rendered, err := parse(files)
			if err != nil {
				t.Fatal(err)
			}
			objects = byName(rendered.objects)
		}
		for _, path := range s.Manifests.Kustomize.Paths {
			exists(t, path)
			objects = build(t, filepath.Join(repository, path))
		}
		for _, f := range s.PortForward {
			if !hasPort(objects["Service/"+f.ResourceName], f.Port) {
				t.Errorf("%q: there is no Service %s with port %d", name, f.ResourceName, f.Port)
			}
		}
		if !runsImage(objects, "spillway:dev") {
			t.Errorf("%q: no container runs the image that was built", name)
		}
	}
}

// repository is the root of the repository.
const repository = "../.."

// skaffoldVariants reads skaffold.yaml as it is, under "", and with the patches of each profile, under its name. Images
// are filled in as after a build.
func skaffoldVariants(t *testing.T) map[string]skaffold {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "skaffold.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Profiles []struct {
			Name    string
			Patches json.RawMessage
			skaffold
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	plain, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	variants := map[string]skaffold{"": filledIn(t, plain)}
	for _, p := range file.Profiles {
		patch, err := jsonpatch.DecodePatch(p.Patches)
		if err != nil {
			t.Fatal(err)
		}
		patched, err := patch.Apply(plain)
		if err != nil {
			t.Fatalf("profile %s: %v", p.Name, err)
		}
		s := filledIn(t, patched)
		s.Manifests = p.Manifests
		variants[p.Name] = s
	}
	return variants
}

// filledIn reads a file whose templates have the values of a build.
func filledIn(t *testing.T, text []byte) (s skaffold) {
	t.Helper()
	built := strings.NewReplacer("{{.IMAGE_REPO_spillway}}", "spillway", "{{.IMAGE_TAG_spillway}}", "dev")
	if err := yaml.Unmarshal([]byte(built.Replace(string(text))), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// exists checks that there is a file at a path in the repository.
func exists(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(repository, path)); err != nil {
		t.Error(err)
	}
}

// releaseValues are the values in the files, with those of the templates.
func releaseValues(t *testing.T, files []string, templates map[string]string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, f := range files {
		exists(t, f)
		text, err := os.ReadFile(filepath.Join(repository, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
	}
	set(all, templates)
	return all
}

// hasPort reports whether a Service has a port.
func hasPort(service object, port int) bool {
	ports, _ := service.at("spec", "ports").([]any)
	return slices.ContainsFunc(ports, func(p any) bool { return p.(map[string]any)["port"] == float64(port) })
}

// runsImage reports whether the first container of some object runs the image.
func runsImage(objects map[string]object, image string) bool {
	for _, o := range objects {
		containers, ok := o.at("spec", "template", "spec", "containers").([]any)
		if ok && containers[0].(map[string]any)["image"].(string) == image {
			return true
		}
	}
	return false
}

// set sets values whose names have two parts, such as image.tag.
func set(all map[string]any, values map[string]string) {
	for name, value := range values {
		group, key, _ := strings.Cut(name, ".")
		m, ok := all[group].(map[string]any)
		if !ok {
			m = map[string]any{}
			all[group] = m
		}
		m[key] = value
	}
}
