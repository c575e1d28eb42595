package upstream

import (
	"mime"
	"net/http"
	"strings"
)

// mediaType is the type of an answer without its parameters, in lower case; empty when none is named.
func mediaType(h http.Header) string {
	value := header(h, "Content-Type")
	kind, _, err := mime.ParseMediaType(value)
	if err != nil { // such as a parameter twice
		kind, _, _ = strings.Cut(strings.ToLower(value), ";")
		kind = strings.TrimSpace(kind)
	}
	return kind
}

// isJSON reports whether an answer says that it is one JSON value, and can be read.
func isJSON(h http.Header) bool {
	kind := mediaType(h)
	return (kind == "application/json" || strings.HasSuffix(kind, "+json")) && !isEncoded(h)
}
