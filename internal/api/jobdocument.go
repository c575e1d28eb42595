package api

import (
	"encoding/json"
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
	Body        any    `json:"body"`                       // null: respondWithJob puts the body in its place
}

// documentOf is the document of a job without the vendor's answer.
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
	if len(j.Problem) > 0 {
		d.Problem = j.Problem
	}
	return d
}
