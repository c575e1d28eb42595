package chain

import (
	"errors"
	"fmt"
	"strings"
)

// matches reports whether a pattern covers a model. A pattern is a name, or the beginning of names followed by a *.
func matches(pattern, model string) bool {
	if begin, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(model, begin)
	}
	return pattern == model
}

// overlap reports whether there is a model that both patterns cover.
func overlap(a, b string) bool {
	a, aOpen := strings.CutSuffix(a, "*")
	b, bOpen := strings.CutSuffix(b, "*")
	return a == b || aOpen && strings.HasPrefix(b, a) || bOpen && strings.HasPrefix(a, b)
}

// Mapping says which model a call that comes from another lane asks for. The first rule that fits counts.
type Mapping []rule

type rule struct{ from, to string } // from is a pattern

// Decode reads the form of a setting: the name of a model, or rules such as
// gpt-4o:claude-sonnet-4-5,*:claude-haiku-4-5. The first colon of a rule divides it, so a name with a colon needs a
// rule: *:llama3:8b. A rule that a rule before it leaves no model is an error.
func (m *Mapping) Decode(s string) error {
	*m = nil
	for text := range strings.SplitSeq(s, ",") {
		from, to, divided := strings.Cut(text, ":")
		if !divided {
			from, to = "*", from
		}
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		if from == "" || to == "" {
			return errors.New("a rule has a model on both sides of the colon")
		}
		if star := strings.IndexByte(from, '*'); star >= 0 && star < len(from)-1 {
			return errors.New("a * stands at the end of a rule's left side only")
		}
		for _, before := range *m {
			if matches(before.from, from) { // and so every model that from covers
				return fmt.Errorf("the rule for %s stands behind the one for %s, which takes all its models: put it "+
					"in front, or remove it", from, before.from)
			}
		}
		*m = append(*m, rule{from, to})
	}
	return nil
}

// String writes the form of a setting.
func (m Mapping) String() string {
	var b strings.Builder
	for i, r := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.from + ":" + r.to)
	}
	return b.String()
}

// of is the model to ask for instead, "" when no rule fits.
func (m Mapping) of(model string) string {
	for _, r := range m {
		if matches(r.from, model) {
			return r.to
		}
	}
	return ""
}
