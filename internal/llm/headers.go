package llm

import (
	"fmt"
	"strings"
)

// Headers are header fields in the form of a setting: name:value,name:value. A value may hold colons, as a URL does, but
// no comma.
type Headers map[string]string

// Decode reads that form. envconfig calls it; its own maps would stumble over the colon in a value.
func (h *Headers) Decode(s string) error {
	*h = Headers{}
	for field := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(field), ":")
		if !ok || name == "" {
			return fmt.Errorf("%d bytes without a name and a colon", len(field)) // the value may be a secret
		}
		(*h)[name] = strings.TrimSpace(value)
	}
	return nil
}
