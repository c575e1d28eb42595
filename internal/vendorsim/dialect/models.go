package dialect

import "github.com/tidwall/gjson"

// Models appends the list of models, in OpenAI's or in Anthropic's form.
func Models(b []byte, models []string, anthropic bool) []byte {
	b = append(b, `{"object":"list","data":[`...)
	for i, model := range models {
		if i > 0 {
			b = append(b, ',')
		}
		b = Model(b, model, anthropic)
	}
	b = append(b, ']')
	if anthropic {
		first, last := "", ""
		if len(models) > 0 {
			first, last = models[0], models[len(models)-1]
		}
		b = gjson.AppendJSONString(append(b, `,"has_more":false,"first_id":`...), first)
		b = gjson.AppendJSONString(append(b, `,"last_id":`...), last)
	}
	return append(b, "}\n"...)
}

// Model appends one model, in either form.
func Model(b []byte, model string, anthropic bool) []byte {
	b = gjson.AppendJSONString(append(b, `{"id":`...), model)
	if anthropic {
		b = gjson.AppendJSONString(append(b, `,"type":"model","display_name":`...), model)
		return append(b, `,"created_at":"2026-01-02T00:00:00Z"}`...)
	}
	return append(b, `,"object":"model","created":1767312000,"owned_by":"vendorsim"}`...)
}
