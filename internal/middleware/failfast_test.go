package middleware_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestFailFastRefusesWhileTheVendorIsDown(t *testing.T) {
	t.Parallel()
	var wait time.Duration
	reached := false
	h := chain(served, middleware.RequestID(), middleware.FailFast(func() time.Duration { return wait }, fail),
		func(*gin.Context) { reached = true }) // where the shedder and the user limit stand
	if w := post(h); w.Code != http.StatusOK {
		t.Errorf("while it is up: %d", w.Code)
	}
	wait, reached = 42*time.Second, false
	if w := post(h); w.Body.String() != "vendor_unavailable" || w.Header().Get("X-Retry-After") != "42s" || reached {
		t.Errorf("while it is down: %s, to be tried again after %s, gone on: %t", w.Body,
			w.Header().Get("X-Retry-After"), reached)
	}
	wait = 0
	if w := post(h); w.Code != http.StatusOK {
		t.Errorf("when it is back: %d", w.Code)
	}
}
