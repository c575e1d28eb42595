package upstream

import (
	"bytes"
	"errors"

	"github.com/spillway-dev/spillway/internal/llm"
)

var (
	errorName = []byte(`"error"`)
	errEvent  = errors.New("an error event in an answer of status 200")
)

// errorIn returns the error that an event carries, nil when it carries none.
func errorIn(name, data []byte) *errorDocument {
	isError := string(name) == "error" || string(name) == "response.failed"
	if !isError && !bytes.Contains(data, errorName) {
		return nil
	}
	d := readError(data)
	if !isError && !d.found {
		return nil
	}
	return &d
}

// refusedWithin returns what an error event comes to before there was something to show: a failure, or a refusal that
// the client gets as an answer of its status, in place of the stream.
func (s *stream) refusedWithin(d *errorDocument, data []byte, out *llm.Result) (*llm.Response, error) {
	status, err := errorWithin(d, s.res.Header, out)
	if err != nil {
		return nil, err
	}
	header := withWait(s.res.Header, d, &out.Limits)
	header["Content-Type"] = []string{"application/json"}
	return &llm.Response{Status: status, Header: header, Body: append([]byte(nil), data...)}, nil
}

// failLater passes an error event on as it is, after there was something to show. It counts as a failure. The client
// gets no error event of ours.
func (s *stream) failLater(d *errorDocument, out *llm.Result) error {
	if err := s.passOn(); err != nil {
		return err
	}
	failed := failureOf(d.status(), d, s.res.Header, &out.Limits)
	if failed == nil {
		failed = &llm.VendorError{Kind: llm.KindStatus, Status: d.status(), Code: d.code, Type: d.kind}
	}
	failed.Told, failed.Err = true, errEvent
	return failed
}
