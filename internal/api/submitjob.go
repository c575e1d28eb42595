package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/propagation"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
)

// submitJob serves POST /llm with "Prefer: respond-async": it hands the request to jobs.Submit, whose workers make the
// call later, in any pod (package jobs shows the way). With wait it holds the connection for a while, and answers as a
// call would when the job ends in that time.
func (s *server) submitJob(c *gin.Context) {
	body, block, err := s.readBody(c.Request, min(s.cfg.MaxBody, s.jobs.MaxBody()))
	defer block.Drop() // not Release: a command to Redis that was given up may still be writing the body
	if err != nil {
		s.fail(c, err)
		return
	}
	payload, err := llm.ParsePayload(llm.LaneDecides, body, s.estimate)
	if err == nil && payload.Stream {
		err = rejected(reasonJobStream)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	ctx, header := c.Request.Context(), c.Request.Header
	in, prefer := middleware.InfoFrom(ctx), preferred(header)
	booked, err := s.tokens.Book(ctx, c.Writer.Header(), payload.Tokens(), payload.Text())
	if err != nil {
		s.fail(c, err)
		return
	}
	id, fresh, err := s.jobs.Submit(ctx, jobs.Submission{
		User: in.User, Priority: in.Priority, Body: body,
		IdempotencyKey: vendorKey(in.User, header.Get("Idempotency-Key")), Traceparent: traceparent(ctx, header),
	})
	block.Drop() // a request that waits for its job holds no memory
	in.Add(slog.String("priority", in.Priority.String()), slog.String("job", id), slog.Bool("fresh", fresh))
	if err != nil || !fresh { // no new job: this request uses no tokens
		booked.Settle(0)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	h := c.Writer.Header()
	h.Set("Location", jobsPath+"/"+id)
	h.Set("Preference-Applied", "respond-async")
	if wait := s.waitOf(prefer); wait > 0 {
		in.LeaveConcurrency() // those that wait have a pool of their own
		j, held, err := s.jobs.Wait(ctx, in.User, id, wait)
		if held {
			h.Set("Preference-Applied", "respond-async, "+waitApplied(wait))
		}
		if err == nil && j.State.Final() && j.State != jobs.Cancelled && s.answerAs(c, j) {
			return
		}
	}
	// It says queued, whatever the state is by now: this answer must not need Redis again. A GET shows the state.
	h.Set("Retry-After", "1")
	c.JSON(http.StatusAccepted, jobDocument{ID: id, State: jobs.Queued, Priority: in.Priority.String(),
		Self: jobsPath + "/" + id})
}

// answerAs answers with the end of the job, as a call would. It reports false when the vendor's answer cannot be had
// now.
func (s *server) answerAs(c *gin.Context, j *jobs.Job) bool {
	share, err := s.takeAnswer(c.Request.Context(), j)
	defer share.Free()
	if err != nil {
		return false
	}
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
	c.Writer.Header()["Content-Type"] = []string{contentType} // not guessed where the vendor gave none
	s.write(c, j.Status, body)
	return true
}

// traceparent is the trace that the job continues: this request's, or its client's when this service records none.
func traceparent(ctx context.Context, h http.Header) string {
	carrier := http.Header{}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(carrier))
	if own := carrier.Get("Traceparent"); own != "" {
		return own
	}
	return h.Get("Traceparent")
}
