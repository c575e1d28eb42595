package middleware_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// userPod is a pod's user limit with its own connections.
type userPod struct {
	rdb    *redisx.Client
	limit  gin.HandlerFunc
	reg    *prometheus.Registry
	logged *lines
}

func newUserPod(tb testing.TB, url string, cfg middleware.Config) *userPod {
	tb.Helper()
	log, logged := newLog(slog.LevelInfo)
	p := &userPod{reg: prometheus.NewRegistry(), logged: logged}
	var err error
	// The budget is wide, so that a busy machine is not taken for a Redis in trouble.
	p.rdb, err = redisx.New(redisx.Config{URL: url, Budget: time.Second, Pool: 16}, log, p.reg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.rdb.Close() })
	users, err := middleware.NewUserLimit(cfg, p.rdb, log, p.reg)
	if err != nil {
		tb.Fatal(err)
	}
	p.limit = users.Handler(fail)
	return p
}

// post sends a request of the user to the pod.
func (p *userPod) post(user, tier string) *httptest.ResponseRecorder {
	return post(chain(served, middleware.RequestID(), as(user, tier), p.limit))
}

func TestUserLimitIsSharedByAllPods(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	pods := []*userPod{newUserPod(t, redis.URL(), config()), newUserPod(t, redis.URL(), config())}
	var served, limited atomic.Int64
	var callers sync.WaitGroup
	for i := range 40 { // at once, and by turns to both pods
		callers.Go(func() {
			switch pods[i%2].post("ada", "free").Code {
			case http.StatusOK:
				served.Add(1)
			case http.StatusTooManyRequests:
				limited.Add(1)
			}
		})
	}
	callers.Wait()
	// 10 a minute; one more only if the machine was so slow that 6 s went by.
	if n := served.Load(); n < 10 || n > 11 || n+limited.Load() != 40 {
		t.Errorf("%d served, %d limited", n, limited.Load())
	}
	// Another user has another bucket, and a higher tier a larger one.
	if w := pods[0].post("bob", "free"); w.Code != http.StatusOK {
		t.Errorf("bob: %d", w.Code)
	}
	for range 20 {
		if w := pods[1].post("eve", "pro"); w.Code != http.StatusOK {
			t.Errorf("eve: %d", w.Code)
		}
	}
}

func TestUserLimitHeaders(t *testing.T) {
	t.Parallel()
	pod := newUserPod(t, redistest.Start(t).URL(), config())
	h := pod.post("ada", "free").Header()
	for name, want := range map[string]string{
		"RateLimit-Policy": `"user";q=10;w=60`, "RateLimit": `"user";r=9;t=6`,
		"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "6",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	var w *httptest.ResponseRecorder
	for range 11 {
		w = pod.post("ada", "free")
	}
	after, err := time.ParseDuration(w.Header().Get("X-Retry-After"))
	if w.Code != http.StatusTooManyRequests || w.Body.String() != "user_rate_limited" || err != nil || after <= 0 ||
		after > 6*time.Second {
		t.Fatalf("%d %s, to be tried again after %v, %v", w.Code, w.Body, after, err)
	}
	// All headers of a refusal say the same.
	seconds := strconv.Itoa(int((after + time.Second - 1) / time.Second))
	if got := w.Header(); got.Get("RateLimit") != `"user";r=0;t=`+seconds || got.Get("X-RateLimit-Remaining") != "0" ||
		got.Get("X-RateLimit-Reset") != seconds {
		t.Errorf("got %v, want t=%s", got, seconds)
	}
}

// Requests of a refused user do not go to Redis until the time of the refusal has passed.
func TestALimitedUserIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	cfg := config()
	cfg.TierRates["free"] = 1 // so that nothing fits again while the test runs
	pod := newUserPod(t, redis.URL(), cfg)
	for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		if w := pod.post("ada", "free"); w.Code != want {
			t.Fatalf("got %d, want %d", w.Code, want)
		}
	}
	redis.Stop() // a command sent to it now would wait
	for range 100 {
		w := pod.post("ada", "free")
		after, err := time.ParseDuration(w.Header().Get("X-Retry-After"))
		if w.Code != http.StatusTooManyRequests || err != nil || after <= 0 || after > time.Minute ||
			w.Header().Get("X-RateLimit-Remaining") != "0" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
	}
	redis.Cont()
	if w := pod.post("bob", "free"); w.Code != http.StatusOK {
		t.Errorf("another user: %d", w.Code)
	}
	counted, err := testutil.GatherAndFormat(pod.reg, expfmt.TypeTextPlain, "llm_user_limit_decisions_total")
	if err != nil || !strings.Contains(string(counted), `{counted="remembered",decision="limited",tier="free"} 100`) ||
		!strings.Contains(string(counted), `{counted="local",decision="limited",tier="free"} 0`) {
		t.Errorf("%v, counted:\n%s", err, counted)
	}
}

func TestEndpointWithARateOfItsOwn(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.EndpointRates = map[string]int{"/llm": 3, "/other": 50}
	pod := newUserPod(t, redistest.Start(t).URL(), cfg)
	engine := gin.New()
	engine.Use(middleware.RequestID(), as("ada", "free"), pod.limit)
	for _, route := range []string{"/llm", "/other", "/plain"} {
		engine.POST(route, served)
	}
	for _, tt := range []struct{ route, limit string }{
		{"/llm", "3"},    // the endpoint's rate, which is below the tier's
		{"/other", "10"}, // the tier's rate, which is below the endpoint's
		{"/plain", "10"}, // the tier's
	} {
		w := send(engine, http.MethodPost, tt.route)
		if got := w.Header().Get("X-RateLimit-Limit"); got != tt.limit {
			t.Errorf("%s: the limit is %s, want %s", tt.route, got, tt.limit)
		}
		served := 0
		for ; w.Code == http.StatusOK; served++ { // uses the bucket up; the others must not be touched by it
			w = send(engine, http.MethodPost, tt.route)
		}
		if want, _ := strconv.Atoi(tt.limit); served < want || served > want+1 {
			t.Errorf("%s: %d were served, want %d", tt.route, served, want)
		}
	}
}

// Redis dies, and the pod counts for itself; Redis comes back empty, and the pods count together again.
func TestUserLimitOutlivesRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	pod, other := newUserPod(t, redis.URL(), config()), newUserPod(t, redis.URL(), config())
	if w := pod.post("ada", "free"); w.Code != http.StatusOK {
		t.Fatalf("with Redis: %d", w.Code)
	}

	redis.Kill()
	served := 0
	var last *httptest.ResponseRecorder
	for range 15 {
		if last = pod.post("ada", "free"); last.Code == http.StatusOK {
			served++
		}
	}
	if served < 10 || served > 11 { // this pod's own bucket, full at first
		t.Errorf("without Redis %d of 15 were served", served)
	}
	if last.Code != http.StatusTooManyRequests || last.Header().Get("X-RateLimit-Remaining") != "0" ||
		last.Header().Get("RateLimit-Policy") == "" {
		t.Errorf("without Redis: %d %v", last.Code, last.Header())
	}
	if w := other.post("ada", "free"); w.Code != http.StatusOK { // which counts for itself, too
		t.Errorf("the other pod: %d", w.Code)
	}
	for !other.rdb.Away() {
		other.post("bob", "free")
	}

	redis.Restart()
	pod.logged.await(t, "redis is back: limits are shared again")
	other.logged.await(t, "redis is back: limits are shared again")
	for range 10 {
		pod.post("ada", "free")
	}
	if w := other.post("ada", "free"); w.Code != http.StatusTooManyRequests {
		t.Errorf("with Redis back the other pod answers %d", w.Code)
	}
	counted, err := testutil.GatherAndFormat(pod.reg, expfmt.TypeTextPlain, "llm_user_limit_decisions_total")
	if err != nil || !strings.Contains(string(counted), `{counted="shared",decision="allowed",tier="free"} 11`) ||
		!strings.Contains(string(counted), `{counted="local",decision="limited",tier="free"} `+
			strconv.Itoa(15-served)) {
		t.Errorf("%v, counted:\n%s", err, counted)
	}
}
