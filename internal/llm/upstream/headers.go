package upstream

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Headers are header fields in the form of a setting: name:value,name:value. A value may hold colons, as a URL does,
// but no comma.
type Headers map[string]string

// Decode reads that form. envconfig calls it, because its own maps cannot have a colon in a value.
func (h *Headers) Decode(s string) error {
	*h = Headers{}
	for field := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(field, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return fmt.Errorf("%d bytes without a name and a colon", len(field)) // the value may be a secret
		}
		(*h)[name] = strings.TrimSpace(value)
	}
	return nil
}

// validate reports headers that net/http would refuse in every call, which the breaker would take for a dead vendor. It
// reports a header with two spellings too, because one of the values would be lost.
func (h Headers) validate() error {
	spelled := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !validHeaderName(name) {
			return fmt.Errorf("VENDOR_HEADERS names a header %q: use letters, digits and hyphens", name)
		}
		if strings.ContainsFunc(h[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("VENDOR_HEADERS gives %s a value with a control character, such as a line break: "+
				"remove it", name)
		}
		canonical := http.CanonicalHeaderKey(name)
		if other, twice := spelled[canonical]; twice {
			return fmt.Errorf("VENDOR_HEADERS names both %s and %s, which are one header: remove one", other, name)
		}
		spelled[canonical] = name
	}
	return nil
}

// validHeaderName reports whether name is a token as RFC 9110 defines it.
func validHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
