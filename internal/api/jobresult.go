package api

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/middleware"
)

// takeAnswer reads the vendor's answer to a job, if it has one. Before that the request takes a place in its user's
// share of the pod, and the answer's size from the memory budget, as a call does: its user can read an answer as often
// as LLM_JOBS_LOOKS allows, and take it slowly. It waits for memory for as long as a reader that has stopped may hold
// some. The caller frees the memory when the answer is written, also after an error. The error is a *outcome.Rejected,
// or the cause of ctx.
func (s *server) takeAnswer(ctx context.Context, j *jobs.Job) (*memory.Share, error) {
	share := s.memory.Share(memory.Answer)
	if !j.HasAnswer() {
		return &share, nil
	}
	if err := s.concurrency.Enter(middleware.InfoFrom(ctx)); err != nil {
		return &share, err
	}
	patient, cancel := context.WithTimeoutCause(ctx, s.cfg.WriteTimeout, memory.ErrFull)
	defer cancel()
	if err := share.Grow(patient, j.Size); err != nil {
		return &share, err
	}
	return &share, s.jobs.ReadAnswer(ctx, j)
}

// respondWithJob answers with the document of a job, whose answer lies in share. It writes the document around the
// answer: a document in one piece would be a second copy.
func (s *server) respondWithJob(c *gin.Context, j *jobs.Job, share *memory.Share) {
	d := documentOf(j)
	if !j.HasAnswer() {
		c.JSON(http.StatusOK, d)
		return
	}
	response, body, err := responseOf(c.Request.Context(), j, share)
	if err != nil {
		s.fail(c, err)
		return
	}
	d.Response = response
	text, err := json.Marshal(d)
	if err != nil {
		s.fail(c, err)
		return
	}
	const end = "}}"
	head := bytes.TrimSuffix(text, []byte("null"+end)) // the body is the last member
	s.writeJSON(c, func(yield func([]byte) bool) {
		if !yield(head) {
			return
		}
		for part := range body {
			if !yield(part) {
				return
			}
		}
		yield([]byte(end))
	})
}

// writeJSON answers with a document in parts. The client has WRITE_TIMEOUT for each.
func (s *server) writeJSON(c *gin.Context, parts iter.Seq[[]byte]) {
	c.Header("Content-Type", "application/json; charset=utf-8")
	c.Status(http.StatusOK)
	if err := writeParts(c.Writer, parts, s.cfg.WriteTimeout); err != nil {
		noteGone(c, err)
	}
}
