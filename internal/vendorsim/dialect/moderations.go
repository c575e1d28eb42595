package dialect

import "strings"

// categories of a moderation, as OpenAI has them.
var categories = []string{
	"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
	"self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
}

// wholeModerations appends one verdict for each input: one that has the word "kill" is violence.
func wholeModerations(b []byte, a *Answer) []byte {
	b = a.id(append(b, `{"id":`...), "modr-sim")
	b = append(a.appendModel(append(b, `,"model":`...)), `,"results":[`...)
	for i, input := range a.Inputs {
		if i > 0 {
			b = append(b, ',')
		}
		b = verdict(b, strings.Contains(strings.ToLower(input), "kill"))
	}
	return append(b, "]}\n"...)
}

// verdict appends the result for one input.
func verdict(b []byte, violent bool) []byte {
	value := func(yes, no string) func(string) string {
		return func(category string) string {
			if violent && category == "violence" {
				return yes
			}
			return no
		}
	}
	b = append(append(b, `{"flagged":`...), value("true", "false")("violence")...)
	b = eachCategory(append(b, `,"categories":`...), value("true", "false"))
	b = eachCategory(append(b, `,"category_scores":`...), value("0.97", "0.00001"))
	b = eachCategory(append(b, `,"category_applied_input_types":`...), func(string) string { return `["text"]` })
	return append(b, '}')
}

// eachCategory appends an object with one member for each category.
func eachCategory(b []byte, value func(category string) string) []byte {
	b = append(b, '{')
	for i, category := range categories {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), category...), `":`...)
		b = append(b, value(category)...)
	}
	return append(b, '}')
}
