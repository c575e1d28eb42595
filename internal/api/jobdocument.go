package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/jobs"
)

// jobDocument is a job as its owner sees it.
type jobDocument struct {
	ID       string          `json:"id"`
	State    jobs.State      `json:"state"`
	Priority string          `json:"priority"`
	Self     string          `json:"self"`
	Position int             `json:"position,omitempty"`    // in the queue, about; 1 is next
	Failures int             `json:"failures,omitempty"`    // attempts that failed
	Waiting  string          `json:"waiting_for,omitempty"` // what the operator has to mend, as the code of a problem
	Created  *time.Time      `json:"created_at,omitempty"`
	Started  *time.Time      `json:"started_at,omitempty"`
	Ended    *time.Time      `json:"ended_at,omitempty"`
	Response *jobResponse    `json:"response,omitempty"` // the vendor's
	Problem  json.RawMessage `json:"problem,omitempty"`  // what a synchronous call would have been told
}

// jobResponse is the vendor's answer. A body that is not JSON is a string; a body in an encoding that this service does
// not know is base64.
type jobResponse struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type,omitempty"`
	Coding      string `json:"content_encoding,omitempty"` // of a body in base64
	Body        any    `json:"body"`
}

func documentOf(j *jobs.Job) jobDocument {
	d := jobDocument{ID: j.ID, State: j.State, Priority: j.Priority, Self: jobsPath + "/" + j.ID,
		Failures: j.Failures, Waiting: j.WaitingFor}
	for _, at := range []struct {
		to   **time.Time
		time time.Time
	}{{&d.Created, j.Created}, {&d.Started, j.Started}, {&d.Ended, j.Ended}} {
		if !at.time.IsZero() {
			*at.to = new(at.time.UTC())
		}
	}
	if j.State == jobs.Queued {
		d.Position = j.Before + 1
	}
	switch {
	case len(j.Problem) > 0:
		d.Problem = j.Problem
	case j.Answer != nil:
		d.Response = responseOf(j)
	}
	return d
}

func responseOf(j *jobs.Job) *jobResponse {
	r := &jobResponse{Status: j.Status, ContentType: j.ContentType}
	answer, err := decoded(j.Answer, j.Coding)
	switch {
	case err != nil:
		r.Coding, r.Body = j.Coding, j.Answer // encoding/json writes bytes in base64
	case json.Valid(answer):
		r.Body = json.RawMessage(answer)
	default:
		r.Body = string(answer)
	}
	return r
}

// decodedMost bounds the size of an answer after decoding, in bytes.
const decodedMost = 16 << 20

// decoded undoes the Content-Encoding of an answer.
func decoded(answer []byte, coding string) ([]byte, error) {
	if coding == "" || strings.EqualFold(coding, "identity") {
		return answer, nil
	}
	if !strings.EqualFold(coding, "gzip") {
		return nil, fmt.Errorf("content encoding %q", coding)
	}
	r, err := gzip.NewReader(bytes.NewReader(answer))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, decodedMost+1))
	if err == nil && len(plain) > decodedMost {
		err = errors.New("the decoded answer is too large")
	}
	return plain, err
}
