package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// TestJobsThatTakeTooMuchMemoryAreRefused: of one user, and in all.
func TestJobsThatTakeTooMuchMemoryAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, env, code string
		status          int
	}{
		{"one user's", "LLM_JOBS_USER_MEMORY=1000", "too_many_job_bytes", http.StatusTooManyRequests},
		{"all", "LLM_JOBS_MEMORY=1000", "jobs_full", http.StatusServiceUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, _ := newJobBundle(t, answers, c.env, "LLM_JOBS_USER_MEMORY=1000000")
			if strings.HasPrefix(c.env, "LLM_JOBS_USER") {
				b, _ = newJobBundle(t, answers, c.env)
			}
			got := b.send(http.MethodPost, "/llm", goodBody, "Prefer", async)
			if got.status != c.status || got.code() != c.code || got.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
			}
		})
	}
	t.Run("a full Redis", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, answers, options{jobs: true, redis: redistest.StartFull(t).URL()})
		if got := b.send(http.MethodPost, "/llm", goodBody, "Prefer", async); got.code() != "jobs_full" {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if got := b.post("/llm"); got.status != http.StatusOK {
			t.Errorf("a plain call: %d %s", got.status, got.body)
		}
	})
}

// TestAnswerThatDoesNotFitEndsItsJob with what is known of it.
func TestAnswerThatDoesNotFitEndsItsJob(t *testing.T) {
	t.Parallel()
	b, _ := newJobBundle(t, func(_ context.Context, call *llm.Call) (*llm.Response, error) {
		call.Started()
		return &llm.Response{Status: http.StatusOK, Body: bytes.Repeat([]byte("x"), 20_000)}, nil
	}, "LLM_JOBS_MEMORY=8000", "LLM_JOBS_USER_MEMORY=8000")
	v := end(t, b, submit(t, b).ID)
	if v.State != "failed" || v.Problem == nil || v.Problem.Code != "job_result_dropped" ||
		v.Problem.Status != http.StatusInsufficientStorage {
		t.Errorf("%+v %+v", v, v.Problem)
	}
}

// TestLookingAtJobsHasALimitOfItsOwn: it stops looking, not calls.
func TestLookingAtJobsHasALimitOfItsOwn(t *testing.T) {
	t.Parallel()
	b, _ := newJobBundle(t, answers, "LLM_JOBS_LOOKS=2")
	v := submit(t, b)
	for range 2 {
		if got := b.send(http.MethodGet, v.Self, ""); got.status != http.StatusOK {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	for _, look := range []struct{ method, path string }{
		{http.MethodGet, v.Self}, {http.MethodGet, "/llm/jobs"}, {http.MethodDelete, v.Self},
	} {
		if got := b.send(look.method, look.path, ""); got.status != http.StatusTooManyRequests ||
			got.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s", look.method, look.path, got.status, got.body)
		}
	}
	if got := b.post("/llm"); got.status != http.StatusOK {
		t.Errorf("a call: %d %s", got.status, got.body)
	}
}

// TestAnswerOfAJobKeepsItsEncoding: to a client that waited it goes as the vendor sent it; in a document it is decoded,
// or in base64.
func TestAnswerOfAJobKeepsItsEncoding(t *testing.T) {
	t.Parallel()
	const text = `{"choices":[]}`
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte(text))
	check(t, err)
	check(t, w.Close())
	for _, c := range []struct {
		coding string
		body   []byte
		want   string // in the document
	}{
		{"gzip", zipped.Bytes(), text},
		{"gzip", zipped.Bytes()[:10], `"` + base64.StdEncoding.EncodeToString(zipped.Bytes()[:10]) + `"`}, // broken
		{"br", []byte("brotli"), `"` + base64.StdEncoding.EncodeToString([]byte("brotli")) + `"`},
	} {
		b, _ := newJobBundle(t, func(_ context.Context, call *llm.Call) (*llm.Response, error) {
			call.Started()
			return &llm.Response{
				Status: http.StatusOK, Body: bytes.Clone(c.body),
				Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {c.coding}},
			}, nil
		})
		waited := b.send(http.MethodPost, "/llm", goodBody, "Prefer", "respond-async, wait=10", "Accept-Encoding",
			c.coding)
		if waited.header.Get("Content-Encoding") != c.coding || waited.body != string(c.body) {
			t.Errorf("%s, waited: %s %q", c.coding, waited.header, waited.body)
		}
		id := strings.TrimPrefix(waited.header.Get("Location"), "/llm/jobs/")
		if v := end(t, b, id); v.Response == nil || string(v.Response.Body) != c.want {
			t.Errorf("%s, in the document: %+v", c.coding, v.Response)
		}
	}
}

// TestPoisonedJobIsShownAsSuch to its owner.
func TestPoisonedJobIsShownAsSuch(t *testing.T) {
	t.Parallel()
	b, rdb := newJobBundle(t, newGate().call)
	v := submit(t, b)
	check(t, rdb.Client().HSet(t.Context(), "llm:{llm:jobs}:job:"+v.ID, "state", "poisoned").Err())
	got := viewOf(t, b.send(http.MethodGet, v.Self, ""))
	if got.State != "poisoned" || got.Problem == nil || got.Problem.Code != "job_poisoned" {
		t.Errorf("%+v", got)
	}
	if list := b.send(http.MethodGet, "/llm/jobs?state=poisoned", ""); !strings.Contains(list.body, v.ID) {
		t.Errorf("listed: %s", list.body)
	}
}
