package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestDeadlineHasItsOwnCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		start := time.Now()
		post(chain(func(c *gin.Context) {
			<-c.Request.Context().Done()
			cause = context.Cause(c.Request.Context())
		}, middleware.RequestID(), middleware.Deadline(60*time.Second)))
		if took := time.Since(start); took != 60*time.Second {
			t.Errorf("ended after %v", took)
		}
		if !errors.Is(cause, middleware.ErrDeadline) || !errors.Is(cause, context.DeadlineExceeded) {
			t.Errorf("the cause is %v", cause)
		}
	})
}

// A client that hangs up ends the request too, but its cause is not the deadline.
func TestDeadlineDoesNotTakeTheBlame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		h := chain(func(c *gin.Context) {
			<-c.Request.Context().Done()
			cause = context.Cause(c.Request.Context())
		}, middleware.Deadline(60*time.Second))
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, hangUp)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, "/llm", http.NoBody))
		if errors.Is(cause, context.DeadlineExceeded) || !errors.Is(cause, context.Canceled) {
			t.Errorf("the cause is %v", cause)
		}
	})
}
