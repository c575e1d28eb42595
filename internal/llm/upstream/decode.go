package upstream

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// decode makes the body of a compressed answer readable and removes the coding from its headers, so that the answer can
// be checked, cut into events and stored. The request asks for no coding; this is for vendors and proxies that use one
// all the same. Codings other than gzip stay as they are: such an answer passes through unread.
func decode(res *http.Response) {
	switch strings.ToLower(header(res.Header, "Content-Encoding")) {
	case "":
	case "identity":
		res.Header.Del("Content-Encoding")
	case "gzip", "x-gzip":
		res.Header.Del("Content-Encoding")
		res.Body = &gunzip{body: res.Body}
		res.Uncompressed = true // ContentLength stays what the framing of the answer says
	}
}

// isEncoded reports whether the body is in a coding that decode does not know.
func isEncoded(h http.Header) bool { return len(h["Content-Encoding"]) > 0 }

// expectedLength is the length of the body as it will be read, -1 when it is not known.
func expectedLength(res *http.Response) int64 {
	if res.Uncompressed {
		return -1
	}
	return res.ContentLength
}

// gunzip decodes a body. A body that is not compressed, although its headers say so, is read as it is.
type gunzip struct {
	body  io.ReadCloser
	plain io.Reader // nil until the first byte is read
}

// Read decodes what the vendor has flushed.
func (g *gunzip) Read(p []byte) (int, error) {
	if g.plain == nil {
		in := bufio.NewReader(g.body)
		magic, err := in.Peek(2)
		g.plain = in
		if err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
			if g.plain, err = gzip.NewReader(in); err != nil {
				g.plain = in
				return 0, err
			}
		}
	}
	return g.plain.Read(p)
}

// Close closes the body.
func (g *gunzip) Close() error { return g.body.Close() }
