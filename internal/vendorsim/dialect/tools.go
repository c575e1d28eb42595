package dialect

import "github.com/tidwall/gjson"

// Tool is a function that the model may call.
type Tool struct {
	Name       string
	Parameters string // JSON schema
}

// chosen is the tool that the model calls: the one that the request insists on, or the first one. It is nil when there
// are none, or when the request forbids it.
func chosen(tools, choice gjson.Result) (tool *Tool) {
	if choice.Str == "none" || choice.Get("type").Str == "none" {
		return nil
	}
	wanted := choice.Get("function.name").Str
	if wanted == "" {
		wanted = choice.Get("name").Str
	}
	tools.ForEach(func(_, t gjson.Result) bool {
		if f := t.Get("function"); f.IsObject() { // as in a chat
			t = f
		} else if kind := t.Get("type").Str; kind != "" && kind != "function" && kind != "custom" {
			return true // a tool that the vendor runs itself
		}
		name := t.Get("name").Str
		if name == "" || wanted != "" && name != wanted {
			return true
		}
		parameters := t.Get("parameters")
		if !parameters.Exists() {
			parameters = t.Get("input_schema")
		}
		tool = &Tool{Name: name, Parameters: parameters.Raw}
		return false
	})
	return tool
}
