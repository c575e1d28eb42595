package apidocs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// file is one thing that is served.
type file struct {
	contentType string
	plain       []byte // nil: there is the compressed form alone
	packed      []byte // gzip
	etag        string // of the compressed form; the plain one has another
	policy      string // Content-Security-Policy; empty means none
}

// embedded is a file of this package. One whose name ends in .gz is compressed already.
func embedded(name string) (*file, error) {
	content, err := source.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading a page of the API: %w", err)
	}
	if plainName, packed := strings.CutSuffix(name, ".gz"); packed {
		return &file{contentType: types[path.Ext(plainName)], packed: content, etag: etagOf(content)}, nil
	}
	return newFile(name, content)
}

// newFile compresses content.
func newFile(name string, content []byte) (*file, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, fmt.Errorf("compressing %s: %w", name, err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compressing %s: %w", name, err)
	}
	return &file{contentType: types[path.Ext(name)], plain: content, packed: packed.Bytes(), etag: etagOf(content)}, nil
}

func etagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

// serve answers GET and HEAD. Browsers ask each time whether the file is still the same, and are told so without it:
// after an upgrade no page runs with the scripts of another version.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	packed := acceptsGzip(r.Header)
	if f.plain == nil && !packed {
		if len(r.Header.Values("Accept-Encoding")) > 0 {
			http.Error(w, "This file is stored compressed. Accept gzip.", http.StatusNotAcceptable)
			return
		}
		packed = true // a client that names no coding accepts any: RFC 9110, section 12.5.3
	}
	h, content, tag := w.Header(), f.plain, `"`+f.etag+`"`
	if packed {
		content, tag = f.packed, `"`+f.etag+`-gzip"`
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", tag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	if f.policy != "" {
		h.Set("Content-Security-Policy", f.policy)
		h.Set("Referrer-Policy", "no-referrer")
	}
	if known(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	if packed {
		h.Set("Content-Encoding", "gzip")
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a client that has gone needs no answer
	}
}

// known reports whether a client has the form of a file that tag names.
func known(ifNoneMatch, tag string) bool {
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/") // a proxy may have weakened it
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

// acceptsGzip reports whether a client names gzip, or any coding, among those it takes.
func acceptsGzip(h http.Header) bool {
	for _, line := range h.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if (name == "gzip" || name == "*") && !zero(weight) {
				return true
			}
		}
	}
	return false
}

// zero reports whether a weight such as " q=0.0" excludes its coding.
func zero(weight string) bool {
	_, number, given := strings.Cut(strings.ReplaceAll(weight, " ", ""), "q=")
	q, err := strconv.ParseFloat(number, 64)
	return given && err == nil && q == 0
}
