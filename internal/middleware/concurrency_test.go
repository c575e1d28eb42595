package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/middleware"
)

// One user with as many requests inside as the tier allows is refused; others are not, and a request that ends makes
// room.
func TestOneUserHasALimitedNumberOfRequestsInside(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TierConcurrency = map[string]int{"free": 2, "pro": 3}
	reg := prometheus.NewRegistry()
	limit, err := middleware.NewConcurrency(cfg, 1000, reg)
	if err != nil {
		t.Fatal(err)
	}
	inside, release := make(chan bool), make(chan bool)
	stay := func(*gin.Context) { inside <- true; <-release }
	hold := func(user, tier string) http.Handler {
		return chain(stay, middleware.RequestID(), as(user, tier), limit.Handler(fail))
	}
	var held sync.WaitGroup
	for range 2 {
		held.Go(func() { post(hold("ada", "free")) })
		<-inside
	}
	ask := func(user, tier string) int {
		return post(chain(served, middleware.RequestID(), as(user, tier), limit.Handler(fail))).Code
	}
	w := post(chain(served, middleware.RequestID(), as("ada", "free"), limit.Handler(fail)))
	if w.Code != http.StatusTooManyRequests || w.Body.String() != "too_many_calls" ||
		w.Header().Get("X-Retry-After") != "1s" {
		t.Errorf("beyond the limit: %d %s, to be tried again after %s", w.Code, w.Body, w.Header().Get("X-Retry-After"))
	}
	for range 3 { // one after the other
		if code := ask("bob", "free"); code != http.StatusOK {
			t.Errorf("another user of the tier: %d", code)
		}
	}
	for range 50 {
		held.Go(func() { post(hold("eve", "enterprise")) }) // a tier without a limit
		<-inside
	}
	release <- true
	release <- true
	for range 50 {
		release <- true
	}
	held.Wait()
	if code := ask("ada", "free"); code != http.StatusOK {
		t.Errorf("after the others have ended: %d", code)
	}
	const counted = `
# HELP llm_user_concurrency_rejections_total Requests refused because their user had as many, or as many bytes of bodies, inside the pod as one user may.
# TYPE llm_user_concurrency_rejections_total counter
llm_user_concurrency_rejections_total{limit="bytes",tier="enterprise"} 0
llm_user_concurrency_rejections_total{limit="requests",tier="enterprise"} 0
llm_user_concurrency_rejections_total{limit="bytes",tier="free"} 0
llm_user_concurrency_rejections_total{limit="requests",tier="free"} 1
llm_user_concurrency_rejections_total{limit="bytes",tier="pro"} 0
llm_user_concurrency_rejections_total{limit="requests",tier="pro"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(counted)); err != nil {
		t.Error(err)
	}
}

// The bodies of one user take half of what the pod has for bodies, one large one apart; another user finds the rest.
func TestOneUsersBodiesLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TierConcurrency = map[string]int{"free": 10}
	limit, err := middleware.NewConcurrency(cfg, 1000, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	inside, release := make(chan bool), make(chan bool)
	send := func(user string, size int64, h gin.HandlerFunc) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/llm", strings.NewReader(strings.Repeat("x", int(max(size, 1)))))
		r.ContentLength = size
		w := httptest.NewRecorder()
		chain(h, middleware.RequestID(), as(user, "free"), limit.Handler(fail)).ServeHTTP(w, r)
		return w
	}
	var held sync.WaitGroup
	held.Go(func() { send("ada", 400, func(*gin.Context) { inside <- true; <-release }) })
	<-inside
	for _, tt := range []struct {
		user string
		size int64
		code int
	}{
		{"ada", 100, http.StatusOK}, {"ada", 101, http.StatusTooManyRequests}, {"ada", -1, http.StatusTooManyRequests},
		{"bob", 900, http.StatusOK}, {"bob", -1, http.StatusOK},
	} {
		if w := send(tt.user, tt.size, served); w.Code != tt.code {
			t.Errorf("%s with %d bytes: %d, want %d", tt.user, tt.size, w.Code, tt.code)
		}
	}
	release <- true
	held.Wait()
	if w := send("ada", 900, served); w.Code != http.StatusOK {
		t.Errorf("alone: %d", w.Code)
	}
}

// A request that leaves its place early gives it back once, and can be counted again.
func TestAPlaceIsGivenBackEarly(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TierConcurrency = map[string]int{"free": 1}
	limit, err := middleware.NewConcurrency(cfg, 1000, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(h gin.HandlerFunc) int {
		return post(chain(h, middleware.RequestID(), as("ada", "free"), limit.Handler(fail))).Code
	}
	ask(func(c *gin.Context) {
		in := middleware.InfoFrom(c.Request.Context())
		if code := ask(served); code != http.StatusTooManyRequests {
			t.Errorf("while it has its place: %d", code)
		}
		in.LeaveConcurrency()
		in.LeaveConcurrency()
		if code := ask(func(c *gin.Context) {
			if err := limit.Enter(in); err == nil {
				t.Error("it is counted again beyond the limit")
			}
			served(c)
		}); code != http.StatusOK {
			t.Errorf("after it has left: %d", code)
		}
		if err := limit.Enter(in); err != nil {
			t.Errorf("counted again: %v", err)
		}
		if code := ask(served); code != http.StatusTooManyRequests {
			t.Errorf("while it is counted again: %d", code)
		}
	})
	if code := ask(served); code != http.StatusOK {
		t.Errorf("after its end: %d", code)
	}
}

// A handler that panics gives its place back.
func TestAPanicGivesThePlaceBack(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TierConcurrency = map[string]int{"free": 1}
	limit, err := middleware.NewConcurrency(cfg, 1000, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	h := chain(func(*gin.Context) { panic("a defect") }, middleware.RequestID(), middleware.Recover(discard(), fail),
		as("ada", "free"), limit.Handler(fail))
	for range 3 {
		if w := post(h); w.Code != http.StatusInternalServerError {
			t.Errorf("got %d", w.Code)
		}
	}
}
