package middleware_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestPanicIsAnsweredWithoutDetailsAndLoggedOnce(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	var got error
	h := chain(func(*gin.Context) { panic("the password is 1234") }, middleware.RequestID(),
		middleware.Recover(log, func(c *gin.Context, err error) { got = err; fail(c, err) }))
	w := post(h, "X-Request-Id", "req-1")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "1234") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if got != middleware.ErrPanic { //nolint:errorlint // it is to be this very error
		t.Errorf("fail got %v", got)
	}
	panics := logged.with("panic")
	if len(panics) != 1 || panics[0]["panic"] != "the password is 1234" || panics[0]["request_id"] != "req-1" {
		t.Fatalf("logged %v", panics)
	}
	if stack, _ := panics[0]["stack"].(string); !strings.Contains(stack, "recover_test.go") {
		t.Errorf("the stack does not show where: %s", stack)
	}
}

// Half an answer must not look like a whole one, and the request must be counted and logged all the same.
func TestPanicInTheMiddleOfAnAnswerBreaksTheConnectionOff(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	reg := prometheus.NewRegistry()
	metrics, err := middleware.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(chain(func(c *gin.Context) {
		c.String(http.StatusOK, "half")
		c.Writer.Flush()
		panic("too late")
	}, middleware.RequestID(), middleware.AccessLog(log, nil), metrics.Handler(), middleware.Recover(log, fail)))
	defer server.Close()
	resp, err := server.Client().Post(server.URL+"/llm", "application/json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil || string(body) != "half" {
		t.Errorf("the client read %q and then %v", body, err)
	}
	if line := logged.await(t, "request"); line["status"] != 500.0 || line["reason"] != "internal" ||
		line["level"] != "ERROR" {
		t.Errorf("logged %v", line)
	}
	server.Close() // waits for the handler
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
		# HELP llm_http_in_flight Requests inside this pod now.
		# TYPE llm_http_in_flight gauge
		llm_http_in_flight 0
		# HELP llm_http_requests_total Requests by route, method, status and, when refused or failed, reason.
		# TYPE llm_http_requests_total counter
		llm_http_requests_total{method="POST",reason="internal",route="/llm",status="500"} 1
	`), "llm_http_requests_total", "llm_http_in_flight"); err != nil {
		t.Error(err)
	}
}

func TestAbortHandlerHasItsWay(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	h := chain(func(*gin.Context) { panic(http.ErrAbortHandler) }, middleware.RequestID(),
		middleware.Recover(log, fail))
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this too
			t.Errorf("recovered %v", p)
		}
		if len(logged.all) != 0 {
			t.Errorf("logged %v", logged.all)
		}
	}()
	post(h)
}
