package api_test

import (
	"net/http"
	"testing"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// BenchmarkJobSubmit is what taking a job in costs, over HTTP and with a real Redis, while no pod works on it.
func BenchmarkJobSubmit(b *testing.B) {
	rdb := redistest.Start(b)
	pod := newBundle(b, answers, options{jobs: true, redis: rdb.URL(), quiet: true,
		env: []string{"LLM_JOBS_WORKERS=0", "LLM_JOBS_USER_MAX=10000000"}})
	b.ReportAllocs()
	for b.Loop() {
		if got := pod.send(http.MethodPost, "/llm", goodBody, "Prefer", async); got.status != http.StatusAccepted {
			b.Fatalf("%d %s", got.status, got.body)
		}
	}
}

// BenchmarkCallBesideJobs is the same request as a call, for comparison.
func BenchmarkCallBesideJobs(b *testing.B) {
	rdb := redistest.Start(b)
	pod := newBundle(b, answers, options{jobs: true, redis: rdb.URL(), quiet: true,
		env: []string{"LLM_JOBS_WORKERS=0"}})
	b.ReportAllocs()
	for b.Loop() {
		if got := pod.send(http.MethodPost, "/llm", goodBody); got.status != http.StatusOK {
			b.Fatalf("%d %s", got.status, got.body)
		}
	}
}
