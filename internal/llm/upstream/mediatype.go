package upstream

import (
	"bufio"
	"io"
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

// beginsAsJSON reports whether the first byte after a byte order mark and white space opens an object or array.
func beginsAsJSON(body *bufio.Reader) bool {
	for n := 1; n <= body.Size(); n++ {
		b, err := body.Peek(n)
		if err != nil {
			return false
		}
		switch b[n-1] {
		case '{', '[':
			return true
		case ' ', '\t', '\r', '\n', 0xef, 0xbb, 0xbf:
		default:
			return false
		}
	}
	return false
}

// buffered is a body whose first bytes have been read ahead.
type buffered struct {
	io.Reader
	io.Closer
}
