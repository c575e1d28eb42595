package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

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
