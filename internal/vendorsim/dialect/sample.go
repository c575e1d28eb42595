package dialect

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// sample appends JSON that fits a schema, with text where any text will do. A schema that it does not understand is
// null.
func sample(b []byte, schema, text string) []byte {
	root := gjson.Parse(schema)
	return instance(b, root, root, text, 0)
}

// deepest is how many objects and arrays may stand in one another: a schema may refer to itself.
const deepest = 12

// instance appends one value that fits schema, which is a part of root.
func instance(b []byte, root, schema gjson.Result, text string, depth int) []byte {
	schema = resolve(root, schema)
	if fixed := schema.Get("const"); fixed.Exists() {
		return append(b, fixed.Raw...)
	}
	if options := schema.Get("enum.0"); options.Exists() {
		return append(b, options.Raw...)
	}
	if depth > deepest {
		return append(b, "null"...)
	}
	switch schemaType(schema, depth) {
	case "object":
		return object(b, root, schema, text, depth)
	case "array":
		b = append(b, '[')
		items := max(1, int(schema.Get("minItems").Int()))
		if most := schema.Get("maxItems"); most.Exists() {
			items = min(items, int(most.Int()))
		}
		for i := range min(items, 100) {
			if i > 0 {
				b = append(b, ',')
			}
			b = instance(b, root, schema.Get("items"), text, depth+1)
		}
		return append(b, ']')
	case "string":
		return gjson.AppendJSONString(b, formatted(schema, text))
	case "integer", "number":
		return append(b, sampleNumber(schema)...)
	case "boolean":
		return append(b, "true"...)
	}
	return append(b, "null"...)
}

// object appends an object with the properties of schema: all of them, or deep down the required ones.
func object(b []byte, root, schema gjson.Result, text string, depth int) []byte {
	b = append(b, '{')
	first, required := true, strs(schema.Get("required"))
	schema.Get("properties").ForEach(func(name, property gjson.Result) bool {
		if depth > deepest/3 && !slices.Contains(required, name.Str) {
			return true
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(gjson.AppendJSONString(b, name.Str), ':')
		b = instance(b, root, property, text, depth+1)
		return true
	})
	return append(b, '}')
}

// resolve follows references, and takes the first of several alternatives.
func resolve(root, schema gjson.Result) gjson.Result {
	for range deepest {
		if ref := schema.Get(`\$ref`).Str; strings.HasPrefix(ref, "#") {
			schema = root
			for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#"), "/") {
				if name != "" {
					schema = schema.Get(gjson.Escape(strings.NewReplacer("~1", "/", "~0", "~").Replace(name)))
				}
			}
			continue
		}
		next := gjson.Result{}
		for _, several := range []string{"anyOf.0", "oneOf.0", "allOf.0"} {
			if one := schema.Get(several); one.Exists() && !schema.Get("properties").Exists() {
				next = one
				break
			}
		}
		if !next.Exists() {
			return schema
		}
		schema = next
	}
	return schema
}

// schemaType is the type of a value: of several types the first that is not null, but null deep down.
func schemaType(schema gjson.Result, depth int) string {
	types := schema.Get("type")
	if !types.IsArray() {
		if types.Str == "" && schema.Get("properties").Exists() {
			return "object"
		}
		return types.Str
	}
	names := strs(types)
	if depth > deepest/2 && slices.Contains(names, "null") {
		return "null"
	}
	for _, name := range names {
		if name != "null" {
			return name
		}
	}
	return "null"
}

// formatted is a text in the format of the schema.
func formatted(schema gjson.Result, text string) string {
	switch schema.Get("format").Str {
	case "date-time":
		return "2026-01-02T03:04:05Z"
	case "date":
		return "2026-01-02"
	case "time":
		return "03:04:05Z"
	case "email":
		return "someone@example.com"
	case "uri", "url":
		return "https://example.com/"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	if most := schema.Get("maxLength"); most.Exists() && len(text) > int(most.Int()) {
		return strings.Repeat("x", int(most.Int()))
	}
	if least := int(min(schema.Get("minLength").Int(), 1000)); len(text) < least {
		text += strings.Repeat("x", least-len(text))
	}
	return text
}

// sampleNumber is a number within the limits of the schema, near 1.
func sampleNumber(schema gjson.Result) string {
	n := 1.0
	if most := schema.Get("maximum"); most.Exists() {
		n = min(n, most.Num)
	}
	if least := schema.Get("minimum"); least.Exists() {
		n = max(n, least.Num)
	}
	if above := schema.Get("exclusiveMinimum"); above.Type == gjson.Number && n <= above.Num {
		n = above.Num + 1
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}
