package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// jobsPath is where a caller finds its jobs.
const jobsPath = "/llm/jobs"

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
	defer middleware.InfoFrom(ctx).LeaveConcurrency()
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
		s.fail(c, err)
		return
	}
	share, err := s.takeAnswer(ctx, j)
	defer share.Free()
	if err != nil {
		s.fail(c, err)
		return
	}
	if !j.State.Final() {
		c.Header("Retry-After", "1")
	}
	c.Header("Cache-Control", "no-store")
	s.respondWithJob(c, j, share)
}

// cancelJob serves DELETE /llm/jobs/{id}.
func (s *server) cancelJob(c *gin.Context) {
	ctx := c.Request.Context()
	user, err := s.userOf(ctx)
	if err == nil {
		err = s.jobs.Cancel(ctx, user, c.Param("id"))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// listMost is the number of jobs in one list, unless the client asks for fewer.
const listMost = 100

// listJobs serves GET /llm/jobs?state=failed&limit=10: the caller's own, the newest first, without answers.
func (s *server) listJobs(c *gin.Context) {
	ctx := c.Request.Context()
	user, err := s.userOf(ctx)
	state, limit := jobs.State(c.Query("state")), listMost
	if err == nil && state != "" && !state.Known() {
		err = &outcome.Rejected{Layer: "jobs", Reason: outcome.InvalidPayload,
			Detail: fmt.Sprintf("state is one of %v.", jobs.States)}
	}
	if n := c.Query("limit"); err == nil && n != "" {
		if limit, err = strconv.Atoi(n); err != nil || limit < 1 || limit > listMost {
			err = &outcome.Rejected{Layer: "jobs", Reason: outcome.InvalidPayload,
				Detail: fmt.Sprintf("limit is a number from 1 to %d.", listMost)}
		}
	}
	var list []*jobs.Job
	if err == nil { // a list may be long, and its client slow
		err = s.concurrency.Enter(middleware.InfoFrom(ctx))
		defer middleware.InfoFrom(ctx).LeaveConcurrency()
	}
	if err == nil {
		list, err = s.jobs.List(ctx, user, state, limit)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	documents := make([]jobDocument, len(list))
	for i, j := range list {
		documents[i] = documentOf(j)
	}
	c.Header("Cache-Control", "no-store")
	text, err := json.Marshal(map[string]any{"jobs": documents})
	if err != nil {
		s.fail(c, err)
		return
	}
	s.writeJSON(c, slices.Chunk(text, step))
}

// withJobs returns an error when the service accepts no jobs.
func (s *server) withJobs() error {
	if s.jobs == nil {
		return rejected(reasonNotFound)
	}
	return nil
}
