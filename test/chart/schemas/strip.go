package main

import "strings"

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
