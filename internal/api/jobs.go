package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/propagation"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// jobsPath is where a caller finds its jobs.
const jobsPath = "/llm/jobs"

// preference is what a client prefers, as RFC 7240 names it.
type preference struct {
	async bool          // respond-async
	wait  time.Duration // 0: not asked for
}

// preferred reads the Prefer headers. What makes no sense is ignored, as the RFC asks; of repeated preferences the
// first counts.
func preferred(h http.Header) (p preference) {
	waits := false
	for _, line := range h["Prefer"] {
		for member := range strings.SplitSeq(line, ",") {
			member, _, _ = strings.Cut(member, ";") // parameters, of which these have none
			name, value, _ := strings.Cut(member, "=")
			switch name = strings.TrimSpace(name); {
			case strings.EqualFold(name, "respond-async"):
				p.async = true
			case strings.EqualFold(name, "wait") && !waits:
				seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 16)
				p.wait, waits = time.Duration(seconds)*time.Second, err == nil
			}
		}
	}
	return p
}

// submitJob serves POST /llm with Prefer: respond-async. With wait it holds the connection for a while and, when the job
// is done in time, answers as a synchronous call would have.
func (s *server) submitJob(c *gin.Context) {
	body, room, err := s.readBody(c.Request, min(s.cfg.MaxBody, s.jobs.MaxBody()))
	defer room.Free()
	if err != nil {
		fail(c, err)
		return
	}
	payload, err := llm.ParsePayload(body, s.estimate)
	if err == nil && payload.Stream {
		err = rejected(reasonJobStream)
	}
	if err != nil {
		fail(c, err)
		return
	}
	ctx, header := c.Request.Context(), c.Request.Header
	in, prefer := middleware.InfoFrom(ctx), preferred(header)
	id, fresh, err := s.jobs.Submit(ctx, jobs.Submission{
		User: in.User, Priority: in.Priority, Body: body, IdempotencyKey: vendorKey(in.User, header.Get("Idempotency-Key")), Traceparent: traceparent(ctx, header),
	})
	in.Add(slog.String("priority", in.Priority.String()), slog.String("job", id), slog.Bool("fresh", fresh))
	if err != nil {
		fail(c, err)
		return
	}
	h := c.Writer.Header()
	h.Set("Location", jobsPath+"/"+id)
	h.Set("Preference-Applied", "respond-async")
	if wait := s.waitOf(prefer); wait > 0 {
		j, held, err := s.jobs.Wait(ctx, in.User, id, wait)
		if held {
			h.Set("Preference-Applied", "respond-async, "+waitApplied(wait))
		}
		if err == nil && j.State.Final() && j.State != jobs.Cancelled {
			answerAs(c, j)
			return
		}
	}
	// The state by now is for a GET to tell: this answer has to be given even if Redis went away meanwhile.
	h.Set("Retry-After", "1")
	c.JSON(http.StatusAccepted, jobDocument{ID: id, State: jobs.Queued, Priority: in.Priority.String(), Self: jobsPath + "/" + id})
}

// waitOf is how long a connection may be held: never so long that the deadline of the request would end it.
func (s *server) waitOf(p preference) time.Duration {
	return min(p.wait, (s.sla * 9 / 10).Truncate(time.Second))
}

// waitApplied is what an answer that was waited for says, in the form of RFC 7240.
func waitApplied(wait time.Duration) string { return "wait=" + strconv.Itoa(int(wait/time.Second)) }

// answerAs answers with the end of the job, as if the client had waited for the call itself.
func answerAs(c *gin.Context, j *jobs.Job) {
	contentType, body := j.ContentType, j.Answer
	if j.Coding != "" {
		c.Header("Content-Encoding", j.Coding)
	}
	if len(j.Problem) > 0 {
		contentType, body = "application/problem+json", j.Problem
		in := middleware.InfoFrom(c.Request.Context())
		var p struct{ Code string }
		_ = json.Unmarshal(j.Problem, &p)
		in.Reason, in.Layer = p.Code, "jobs"
	}
	c.Data(j.Status, contentType, body)
}

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

// jobResponse is the vendor's answer. A body that is no JSON comes as a string, one whose encoding is unknown here in base64.
type jobResponse struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type,omitempty"`
	Coding      string `json:"content_encoding,omitempty"` // of a body in base64
	Body        any    `json:"body"`
}

func documentOf(j *jobs.Job) jobDocument {
	d := jobDocument{ID: j.ID, State: j.State, Priority: j.Priority, Self: jobsPath + "/" + j.ID, Failures: j.Failures, Waiting: j.WaitingFor}
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

// decodedMost bounds what a small encoded answer may become in memory.
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

// userOf counts a request that looks at jobs or cancels them, and returns the user.
func (s *server) userOf(ctx context.Context) (string, error) {
	if err := s.withJobs(); err != nil {
		return "", err
	}
	user := middleware.InfoFrom(ctx).User
	return user, s.jobs.CountLook(ctx, user)
}

// getJob serves GET /llm/jobs/{id}, with Prefer: wait as a long poll.
func (s *server) getJob(c *gin.Context) {
	ctx, id := c.Request.Context(), c.Param("id")
	user, err := s.userOf(ctx)
	var j *jobs.Job
	if wait := s.waitOf(preferred(c.Request.Header)); err == nil && wait > 0 {
		var held bool
		if j, held, err = s.jobs.Wait(ctx, user, id, wait); held {
			c.Header("Preference-Applied", waitApplied(wait))
		}
	} else if err == nil {
		j, err = s.jobs.Look(ctx, user, id)
	}
	if err != nil {
		fail(c, err)
		return
	}
	if !j.State.Final() {
		c.Header("Retry-After", "1")
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, documentOf(j))
}

// cancelJob serves DELETE /llm/jobs/{id}.
func (s *server) cancelJob(c *gin.Context) {
	ctx := c.Request.Context()
	user, err := s.userOf(ctx)
	if err == nil {
		err = s.jobs.Cancel(ctx, user, c.Param("id"))
	}
	if err != nil {
		fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// Jobs in one list, unless the client asks for fewer.
const listMost = 100

// listJobs serves GET /llm/jobs?state=failed&limit=10: the caller's own, the newest first, without answers.
func (s *server) listJobs(c *gin.Context) {
	ctx := c.Request.Context()
	user, err := s.userOf(ctx)
	state, limit := jobs.State(c.Query("state")), listMost
	if err == nil && state != "" && !state.Known() {
		err = &outcome.Rejected{Layer: "jobs", Reason: outcome.InvalidPayload, Detail: fmt.Sprintf("state is one of %v.", jobs.States)}
	}
	if n := c.Query("limit"); err == nil && n != "" {
		if limit, err = strconv.Atoi(n); err != nil || limit < 1 || limit > listMost {
			err = &outcome.Rejected{Layer: "jobs", Reason: outcome.InvalidPayload, Detail: fmt.Sprintf("limit is a number from 1 to %d.", listMost)}
		}
	}
	var list []*jobs.Job
	if err == nil {
		list, err = s.jobs.List(ctx, user, state, limit)
	}
	if err != nil {
		fail(c, err)
		return
	}
	documents := make([]jobDocument, len(list))
	for i, j := range list {
		documents[i] = documentOf(j)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, map[string]any{"jobs": documents})
}

// withJobs is the error of a service that takes none.
func (s *server) withJobs() error {
	if s.jobs == nil {
		return rejected(reasonNotFound)
	}
	return nil
}

// ProblemDocument is the status and the document that a call which ended with err is answered with.
func ProblemDocument(err error, requestID string) (status int, document []byte) {
	p := problemOf(err)
	return p.status, p.document(dialectOpenAI, requestID)
}

// traceparent is the trace that a job goes on: this request's, or its client's when none is recorded here.
func traceparent(ctx context.Context, h http.Header) string {
	carrier := http.Header{}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(carrier))
	if own := carrier.Get("Traceparent"); own != "" {
		return own
	}
	return h.Get("Traceparent")
}
