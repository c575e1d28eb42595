package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// firstRead is what is set aside for a body before any of it has come: an announced length is only a promise.
const firstRead = 64 << 10

// readBody reads a JSON body of at most limit bytes. The error is a *outcome.Rejected, or wraps errClientGone when the
// client left in the middle. The bytes are not pooled: net/http may still be sending them to the vendor when the call is
// over.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if err := checkMediaType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	b := make([]byte, 0, max(512, min(r.ContentLength+1, firstRead))) // one more, so that the end is seen without growing
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return nil, tooLarge(limit)
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, unreadable(err)
		}
	}
}

func tooLarge(limit int64) error {
	return &outcome.Rejected{Layer: "payload", Reason: outcome.PayloadTooLarge, Detail: fmt.Sprintf("The body may have %d bytes at most.", limit)}
}

// errClientGone is a client that cannot be reached any more: it broke off while it sent, or stopped reading.
var errClientGone = errors.New("the client is gone")

// unreadable tells a client that is too slow from one that left and from one that does not keep to HTTP.
func unreadable(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &outcome.Rejected{Layer: "payload", Reason: reasonRequestTimeout, Err: err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%w: reading the body: %w", errClientGone, err)
	}
	return &outcome.Rejected{Layer: "payload", Reason: outcome.InvalidJSON, Detail: "The body could not be read: its chunks are not as HTTP has them.", Err: err}
}

// checkMediaType wants JSON, unpacked, and declared as such.
func checkMediaType(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return &outcome.Rejected{Layer: "payload", Reason: outcome.UnsupportedMediaType, Detail: "Send the body without Content-Encoding."}
	}
	value := h.Get("Content-Type")
	if value == "application/json" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(value)
	if err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
		return nil
	}
	return &outcome.Rejected{Layer: "payload", Reason: outcome.UnsupportedMediaType, Detail: `Send JSON with "Content-Type: application/json".`}
}
