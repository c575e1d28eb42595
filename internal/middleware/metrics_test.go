package middleware_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

func TestMetricsCountByOutcomeAndNeverByClientsWords(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	metrics, err := middleware.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	h := chain(func(c *gin.Context) {
		if c.GetHeader("X-Fail") != "" {
			fail(c, &outcome.Rejected{Reason: outcome.Shed})
			return
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
			# HELP llm_http_in_flight Requests inside this pod now.
			# TYPE llm_http_in_flight gauge
			llm_http_in_flight 1
		`), "llm_http_in_flight"); err != nil {
			t.Error(err)
		}
		c.Status(http.StatusOK)
	}, middleware.RequestID(), metrics.Handler())
	post(h)
	post(h)
	post(h, "X-Fail", "yes")
	for _, path := range []string{"/a", "/b", "/c"} {
		send(h, "BREW", path)
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
		# HELP llm_http_in_flight Requests inside this pod now.
		# TYPE llm_http_in_flight gauge
		llm_http_in_flight 0
		# HELP llm_http_requests_total Requests by route, method, status and, when refused or failed, reason.
		# TYPE llm_http_requests_total counter
		llm_http_requests_total{method="POST",reason="",route="/llm",status="200"} 2
		llm_http_requests_total{method="POST",reason="shed",route="/llm",status="429"} 1
		llm_http_requests_total{method="other",reason="",route="other",status="404"} 3
	`), "llm_http_requests_total", "llm_http_in_flight"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "llm_http_request_duration_seconds"); n != 2 || err != nil {
		t.Errorf("%d duration series, %v", n, err)
	}
}

func TestMetricsRegisterOnce(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	if _, err := middleware.NewMetrics(reg); err != nil {
		t.Fatal(err)
	}
	if _, err := middleware.NewMetrics(reg); err == nil {
		t.Error("a second registration went unnoticed")
	}
}
