package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// readBody reads a JSON body of at most limit bytes into a block of memory, which it first takes from the budget. The
// caller releases the block when the request has ended, also after an error. The error is a *outcome.Rejected, the
// cause of the context when that ended first, or wraps errClientGone when the client left before the end of the body.
func (s *server) readBody(r *http.Request, limit int64) (body []byte, block *memory.Block, err error) {
	block = s.memory.Block(memory.Body)
	body, err = readWithin(r, min(limit, s.memory.Largest()), block)
	return body, block, err
}

func readWithin(r *http.Request, limit int64, block *memory.Block) ([]byte, error) {
	if err := checkMediaType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	b, err := block.ReadAll(r.Context(), r.Body, r.ContentLength, limit)
	switch _, refused := errors.AsType[*outcome.Rejected](err); {
	case refused, err != nil && errors.Is(err, context.Cause(r.Context())): // by the memory budget; while it waited
		return nil, err
	case err != nil:
		return nil, unreadable(err)
	case int64(len(b)) > limit:
		return nil, tooLarge(limit)
	}
	return b, nil
}

func tooLarge(limit int64) error {
	return &outcome.Rejected{Layer: "payload", Reason: outcome.PayloadTooLarge,
		Detail: fmt.Sprintf("The body may have %d bytes at most.", limit)}
}

// errClientGone says that the client cannot be reached: it closed the connection, or stopped reading.
var errClientGone = errors.New("the client is gone")

// unreadable says why a body could not be read: the client was too slow, or left, or the body is no valid HTTP.
func unreadable(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &outcome.Rejected{Layer: "payload", Reason: reasonRequestTimeout, Err: err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%w: reading the body: %w", errClientGone, err)
	}
	return &outcome.Rejected{Layer: "payload", Reason: outcome.InvalidJSON,
		Detail: "The body could not be read: its chunks are not valid HTTP.", Err: err}
}

// checkMediaType refuses a body that is not declared as JSON, or is compressed.
func checkMediaType(h http.Header) error {
	if enc := h.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return &outcome.Rejected{Layer: "payload", Reason: outcome.UnsupportedMediaType,
			Detail: "Send the body without Content-Encoding."}
	}
	value := h.Get("Content-Type")
	if value == "application/json" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(value)
	if err == nil && (kind == "application/json" || strings.HasPrefix(kind, "application/") &&
		strings.HasSuffix(kind, "+json")) {
		return nil
	}
	return &outcome.Rejected{Layer: "payload", Reason: outcome.UnsupportedMediaType,
		Detail: `Send JSON with "Content-Type: application/json".`}
}
