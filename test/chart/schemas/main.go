// Command schemas writes the schemas the chart is checked against, one file for each source, from the Go modules their
// projects publish. What people read is left out of them; what a server checks is kept.
//
//	go run ./schemas        in test/chart; `make schemas` in the root
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// source is a module and the files in it that hold schemas.
type source struct {
	name   string // of the file that is written
	module string
	files  []string
}

// crds are custom resource definitions; kubernetes is the server's own OpenAPI, the oldest and the newest version in
// use.
var (
	crds = []source{
		{"gateway-api", "sigs.k8s.io/gateway-api@v1.6.3", []string{
			"config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
			"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
		}},
		{"envoy-gateway", "github.com/envoyproxy/gateway@v1.9.1", []string{
			"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml",
			"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_clienttrafficpolicies.yaml",
		}},
		{"traefik", "github.com/traefik/traefik/v3@v3.7.13",
			[]string{"docs/content/reference/dynamic-configuration/traefik.io_middlewares.yaml"}},
		{"keda", "github.com/kedacore/keda/v2@v2.21.0", []string{"config/crd/bases/keda.sh_scaledobjects.yaml"}},
		{"prometheus-operator", "github.com/prometheus-operator/prometheus-operator@v0.85.0", []string{
			"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		}},
	}
	kubernetes = []source{
		{"kubernetes-1.35", "k8s.io/kubernetes@v1.35.4", openAPI},
		{"kubernetes-1.37", "k8s.io/kubernetes@v1.37.2", openAPI},
	}
	openAPI = []string{
		"api/openapi-spec/v3/api__v1_openapi.json", "api/openapi-spec/v3/apis__apps__v1_openapi.json",
		"api/openapi-spec/v3/apis__autoscaling__v2_openapi.json", "api/openapi-spec/v3/apis__policy__v1_openapi.json",
		"api/openapi-spec/v3/apis__networking.k8s.io__v1_openapi.json",
	}
	kinds = []string{
		"ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod", "Namespace", "Deployment",
		"StatefulSet", "HorizontalPodAutoscaler",
		"PodDisruptionBudget", "NetworkPolicy",
	}
)

func main() {
	if err := run("schemas"); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	for _, s := range crds {
		definitions, err := readCRDs(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.module, err)
		}
		if err := write(dir, s, map[string]any{"source": s.module, "definitions": definitions}); err != nil {
			return err
		}
	}
	for _, s := range kubernetes {
		schemas, err := readOpenAPI(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.module, err)
		}
		if err := write(dir, s, map[string]any{"source": s.module,
			"components": map[string]any{"schemas": schemas}}); err != nil {
			return err
		}
	}
	return nil
}

// download fetches a module through the go command and returns where it is.
func download(module string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	var answer struct{ Dir, Error string }
	if json.Unmarshal(out, &answer) == nil && answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	return answer.Dir, err
}

// readCRDs takes the definitions as they are, down to group, names, scope and versions.
func readCRDs(s source) ([]any, error) {
	dir, err := download(s.module)
	if err != nil {
		return nil, err
	}
	var all []any
	for _, file := range s.files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		var crd map[string]any
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		delete(crd, "metadata")
		delete(crd, "status")
		all = append(all, strip(crd, false))
	}
	return all, nil
}

// readOpenAPI takes the wanted kinds and everything they refer to, and closes every object: an unknown field is an
// error here, as it is for `kubectl apply` with strict validation.
func readOpenAPI(s source) (map[string]any, error) {
	dir, err := download(s.module)
	if err != nil {
		return nil, err
	}
	all, wanted := map[string]any{}, []string{}
	for _, file := range s.files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		var spec struct {
			Components struct{ Schemas map[string]map[string]any }
		}
		if err := json.Unmarshal(text, &spec); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for name, schema := range spec.Components.Schemas {
			all[name] = schema
			if _, ok := schema["x-kubernetes-group-version-kind"]; ok &&
				slices.Contains(kinds, name[strings.LastIndex(name, ".")+1:]) {
				wanted = append(wanted, name)
			}
		}
	}
	kept := map[string]any{}
	for len(wanted) > 0 {
		name := wanted[0]
		wanted = wanted[1:]
		if _, done := kept[name]; done {
			continue
		}
		kept[name] = strip(all[name], true)
		wanted = append(wanted, references(all[name])...)
	}
	return kept, nil
}

// strip removes descriptions and, in a server's own schemas, what is not JSON Schema, and closes objects.
func strip(v any, plain bool) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = strip(v[i], plain)
		}
	case map[string]any:
		for name, child := range v {
			if _, text := child.(string); text && name == "description" || plain &&
				(strings.HasPrefix(name, "x-") || name == "default") {
				delete(v, name)
				continue
			}
			v[name] = strip(child, plain)
		}
		if _, ok := v["properties"].(map[string]any); ok && plain {
			v["additionalProperties"] = false
		}
	}
	return v
}

// references lists the schemas that v refers to.
func references(v any) (names []string) {
	switch v := v.(type) {
	case []any:
		for _, child := range v {
			names = append(names, references(child)...)
		}
	case map[string]any:
		for key, child := range v {
			if ref, ok := child.(string); ok && key == "$ref" {
				names = append(names, strings.TrimPrefix(ref, "#/components/schemas/"))
			}
			names = append(names, references(child)...)
		}
	}
	return names
}

func write(dir string, s source, content map[string]any) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, s.name+".json"), append(text, '\n'), 0o644)
}
