package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"
)

// skaffold is the part of skaffold.yaml that names things outside it.
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

// TestSkaffoldNamesWhatExists applies each profile's patches and looks for every file, value and Service it names.
func TestSkaffoldNamesWhatExists(t *testing.T) {
	t.Parallel()
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "skaffold.yaml"))
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
	variants := map[string][]byte{"": plain}
	for _, p := range file.Profiles {
		patch, err := jsonpatch.DecodePatch(p.Patches)
		if err != nil {
			t.Fatal(err)
		}
		if variants[p.Name], err = patch.Apply(plain); err != nil {
			t.Errorf("profile %s: %v", p.Name, err)
		}
	}
	if len(variants) != 3 {
		t.Errorf("%d variants, want the default, manifests and production", len(variants))
	}
	exists := func(path string) {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	// As after a build.
	filledIn := strings.NewReplacer("{{.IMAGE_REPO_spillway}}", "spillway", "{{.IMAGE_TAG_spillway}}", "dev")
	for name, text := range variants {
		var s skaffold
		text = []byte(filledIn.Replace(string(text)))
		if err := yaml.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		exists(s.Build.Artifacts[0].Docker.Dockerfile)
		objects := map[string]object{}
		for _, r := range s.Deploy.Helm.Releases {
			exists(r.ChartPath)
			all := map[string]any{}
			for _, f := range r.ValuesFiles {
				exists(f)
				text, err := os.ReadFile(filepath.Join(root, f))
				if err != nil {
					t.Fatal(err)
				}
				if err := yaml.Unmarshal(text, &all); err != nil {
					t.Fatal(err)
				}
			}
			set(all, r.SetValueTemplates)
			files, err := render4As(r.Name, "default", all, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			rendered, err := parse(files)
			if err != nil {
				t.Fatal(err)
			}
			objects = byName(rendered.objects)
		}
		for _, p := range file.Profiles {
			if p.Name != name {
				continue
			}
			for _, path := range p.Manifests.Kustomize.Paths {
				exists(path)
				objects = build(t, filepath.Join(root, path))
			}
		}
		for _, f := range s.PortForward {
			service := objects["Service/"+f.ResourceName]
			found := false
			ports, _ := service.at("spec", "ports").([]any)
			for _, p := range ports {
				found = found || p.(map[string]any)["port"] == float64(f.Port)
			}
			if !found {
				t.Errorf("%q: there is no Service %s with port %d", name, f.ResourceName, f.Port)
			}
		}
		images := 0
		for _, o := range objects {
			if containers, ok := o.at("spec", "template", "spec", "containers").([]any); ok {
				image := containers[0].(map[string]any)["image"].(string)
				if image == "spillway:dev" {
					images++
				}
			}
		}
		if images == 0 {
			t.Errorf("%q: nothing runs the image that was built", name)
		}
	}
}

// set applies names of two parts, as image.tag is one.
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
