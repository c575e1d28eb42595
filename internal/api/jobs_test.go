package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// newJobBundle is a pod that takes jobs and works on them with call, on a real Redis.
func newJobBundle(t *testing.T, call fakeCaller, env ...string) (*bundle, *redistest.Server) {
	t.Helper()
	rdb := redistest.Start(t)
	return newBundle(t, call, options{jobs: true, redis: rdb.URL(), env: env}), rdb
}

// jobView is a job as a client reads it.
type jobView struct {
	ID, State, Priority, Self string
	Position, Failures        int
	Response                  *struct {
		Status int
		Body   json.RawMessage
	}
	Problem *struct {
		Status   int
		Code     string
		Attempts int
	}
}

func viewOf(t testing.TB, a answer) (v jobView) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Errorf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

const async = "respond-async"

// submit submits a job that has to be taken.
func submit(t *testing.T, b *bundle, header ...string) jobView {
	t.Helper()
	got := b.send(http.MethodPost, "/llm", goodBody, append([]string{"Prefer", async}, header...)...)
	if got.status != http.StatusAccepted || got.header.Get("Preference-Applied") != async {
		t.Fatalf("not taken: %d %s", got.status, got.body)
	}
	v := viewOf(t, got)
	if v.ID == "" || got.header.Get("Location") != "/llm/jobs/"+v.ID || v.State != "queued" {
		t.Errorf("%s: %+v", got.header, v)
	}
	return v
}

// end waits until the job has ended.
func end(t *testing.T, b *bundle, id string, header ...string) jobView {
	t.Helper()
	var v jobView
	await.True(t, "the job ends", func() bool {
		v = viewOf(t, b.send(http.MethodGet, "/llm/jobs/"+id, "", append([]string{"Prefer", "wait=10"}, header...)...))
		return v.State != "queued" && v.State != "running"
	})
	return v
}

// gate is a vendor whose calls wait until it opens.
type gate struct {
	open    chan struct{}
	arrived chan *llm.Call
	left    chan error // causes of calls that were cancelled
}

func newGate() *gate {
	return &gate{open: make(chan struct{}), arrived: make(chan *llm.Call, 100), left: make(chan error, 100)}
}

func (g *gate) call(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	if call.Started != nil {
		call.Started()
	}
	g.arrived <- call
	select {
	case <-g.open:
		return answers(ctx, call)
	case <-ctx.Done():
		g.left <- context.Cause(ctx)
		return nil, context.Cause(ctx)
	}
}

// A job's story: taken at once, running, done; its answer is the vendor's, byte for byte.
func TestJobFromSubmissionToResult(t *testing.T) {
	t.Parallel()
	vendor := newGate()
	b, _ := newJobBundle(t, vendor.call)
	v := submit(t, b, "X-Priority", "normal")
	call := <-vendor.arrived
	if call.ID != v.ID || call.IdempotencyKey != v.ID || !call.Background || string(call.Body) != goodBody ||
		call.Priority != llm.Normal {
		t.Errorf("the vendor is called with %+v", call)
	}
	running := viewOf(t, b.send(http.MethodGet, v.Self, ""))
	if running.State != "running" || running.Priority != "normal" {
		t.Errorf("while it runs: %+v", running)
	}
	close(vendor.open)
	done := end(t, b, v.ID)
	if done.State != "succeeded" || done.Response == nil || done.Response.Status != 200 ||
		string(done.Response.Body) != completion {
		t.Errorf("done: %+v", done)
	}
	var list struct{ Jobs []jobView }
	check(t, json.Unmarshal([]byte(b.send(http.MethodGet, "/llm/jobs?state=succeeded", "").body), &list))
	if len(list.Jobs) != 1 || list.Jobs[0].ID != v.ID {
		t.Errorf("listed: %+v", list)
	}
}

// RFC 7240: with wait the answer is the call's own when it comes in time, else the job's.
func TestWaitHoldsTheConnection(t *testing.T) {
	t.Parallel()
	b, _ := newJobBundle(t, answers)
	got := b.send(http.MethodPost, "/llm", goodBody, "Prefer", `respond-async, wait=30`)
	if got.status != http.StatusOK || got.body != completion ||
		got.header.Get("Preference-Applied") != "respond-async, wait=30" {
		t.Errorf("in time: %d %s %s", got.status, got.header, got.body)
	}
	vendor := newGate()
	slow, _ := newJobBundle(t, vendor.call)
	got = slow.send(http.MethodPost, "/llm", goodBody, "Prefer", `wait="1", Respond-Async; foo="x"`)
	if got.status != http.StatusAccepted {
		t.Errorf("too late: %d %s", got.status, got.body)
	}
	close(vendor.open)
	if done := end(t, slow, viewOf(t, got).ID); done.State != "succeeded" {
		t.Errorf("after the client stopped waiting: %+v", done)
	}
}

// When a client leaves while it waits, its job goes on.
func TestClientThatLeavesKeepsItsJob(t *testing.T) {
	t.Parallel()
	vendor := newGate()
	b, _ := newJobBundle(t, vendor.call)
	ctx, leave := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.server.URL+"/llm", strings.NewReader(goodBody))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = http.Header{"Authorization": {"Bearer key-enterprise"}, "Content-Type": {"application/json"},
			"Prefer": {"respond-async, wait=50"}}
		if res, err := b.server.Client().Do(req); err == nil {
			res.Body.Close()
			t.Errorf("answered: %d", res.StatusCode)
		}
	})
	call := <-vendor.arrived
	leave()
	waiting.Wait()
	close(vendor.open)
	if done := end(t, b, call.ID); done.State != "succeeded" {
		t.Errorf("%+v", done)
	}
}

// A failed job has the document that a synchronous call would have been given, or the vendor's own refusal; both are
// kept and listed.
func TestFailedJobsSayWhy(t *testing.T) {
	t.Parallel()
	dead, _ := newJobBundle(t, fails(&llm.VendorError{Kind: llm.KindStatus, Status: 500, Attempts: 3}),
		"LLM_JOBS_ATTEMPTS=2")
	v := end(t, dead, submit(t, dead).ID)
	if v.State != "failed" || v.Failures != 2 || v.Problem == nil || v.Problem.Code != "vendor_error" ||
		v.Problem.Status != 502 || v.Problem.Attempts != 3 {
		t.Errorf("after all attempts: %+v", v)
	}
	var list struct{ Jobs []jobView }
	check(t, json.Unmarshal([]byte(dead.send(http.MethodGet, "/llm/jobs?state=failed", "").body), &list))
	if len(list.Jobs) != 1 || list.Jobs[0].ID != v.ID || list.Jobs[0].Problem == nil {
		t.Errorf("listed: %+v", list)
	}
	picky, _ := newJobBundle(t, func(context.Context, *llm.Call) (*llm.Response, error) {
		return &llm.Response{Status: 400, Header: http.Header{"Content-Type": {"application/json"}},
			Body: []byte(`{"error":"filtered"}`)}, nil
	})
	v = end(t, picky, submit(t, picky).ID)
	if v.State != "failed" || v.Failures != 1 || v.Response == nil || v.Response.Status != 400 ||
		string(v.Response.Body) != `{"error":"filtered"}` {
		t.Errorf("refused: %+v", v)
	}
	got := dead.send(http.MethodPost, "/llm", goodBody, "Prefer", "respond-async, wait=30")
	if got.status != http.StatusBadGateway || got.code() != "vendor_error" {
		t.Errorf("waited for: %d %s", got.status, got.body)
	}
}

// A gate without room is no failure of the job: the job waits, and is done.
func TestClosedGatesAreNoFailure(t *testing.T) {
	t.Parallel()
	closed := []error{
		&outcome.Rejected{Layer: "quota", Reason: outcome.VendorRateLimited, RetryAfter: time.Millisecond},
		&outcome.Rejected{Layer: "quota", Reason: outcome.VendorRateLimited, Err: redisx.ErrAway}, // with no time given
		&outcome.Rejected{Layer: "slots", Reason: outcome.QueueTimeout},
		&outcome.Rejected{Layer: "breaker", Reason: outcome.VendorUnavailable, RetryAfter: time.Millisecond},
		&llm.VendorError{Kind: llm.KindRateLimit, Status: 429},
	}
	var mu sync.Mutex
	b, _ := newJobBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(closed) == 0 {
			return answers(ctx, call)
		}
		err := closed[0]
		closed = closed[1:]
		return nil, err
	}, "LLM_JOBS_ATTEMPTS=1")
	if v := end(t, b, submit(t, b).ID); v.State != "succeeded" || v.Failures != 0 {
		t.Errorf("%+v", v)
	}
	never, _ := newJobBundle(t, fails(&outcome.Rejected{Layer: "quota", Reason: outcome.PayloadTooLarge}))
	if v := end(t, never, submit(t, never).ID); v.State != "failed" || v.Problem.Code != "payload_too_large" {
		t.Errorf("larger than the contract: %+v", v)
	}
}

// Twenty submissions of the same key at once are one job; another body under that key is a mistake; another user's key
// is another key.
func TestIdempotencyKeyGivesTheSameJob(t *testing.T) {
	t.Parallel()
	vendor := newGate()
	b, _ := newJobBundle(t, vendor.call)
	key := []string{"Idempotency-Key", "order 7"}
	ids := make([]string, 20)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = submit(t, b, key...).ID })
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two jobs: %s and %s", ids[0], id)
		}
	}
	if call := <-vendor.arrived; len(call.IdempotencyKey) != 32 {
		t.Errorf("the vendor gets the key %q, want a hash of user and key", call.IdempotencyKey)
	}
	other := b.send(http.MethodPost, "/llm", `{"model":"other"}`, append(key, "Prefer", async)...)
	if other.status != http.StatusUnprocessableEntity || other.code() != "idempotency_mismatch" {
		t.Errorf("another body: %d %s", other.status, other.body)
	}
	if v := submit(t, b, append(key, "Authorization", "Bearer key-pro")...); v.ID == ids[0] {
		t.Error("another user got the job")
	}
	close(vendor.open)
	end(t, b, ids[0])
	if v := submit(t, b, key...); v.ID != ids[0] {
		t.Error("forgotten when it was done")
	}
	<-vendor.arrived // the other user's
	select {
	case call := <-vendor.arrived:
		t.Errorf("called once more: %+v", call)
	default:
	}
}

// High goes first, and low does not starve: it has its weight's share while high waits.
func TestJobsGoByPriority(t *testing.T) {
	t.Parallel()
	const each = 100
	vendor := newGate()
	b, _ := newJobBundle(t, vendor.call, "LLM_JOBS_WORKERS=1", "LLM_JOBS_WEIGHTS=high:4,normal:1,low:1",
		"LLM_JOBS_USER_MAX=1000")
	submit(t, b)
	<-vendor.arrived // it holds the only worker while the others come
	classOf := map[string]string{}
	for range each {
		for _, class := range []string{"low", "high"} {
			classOf[submit(t, b, "X-Priority", class).ID] = class
		}
	}
	close(vendor.open)
	var sum, last [2]int
	for i := range 2 * each {
		k := 0
		if classOf[(<-vendor.arrived).ID] == "low" {
			k = 1
		}
		sum[k] += i
		last[k] = i
	}
	t.Logf("mean places: high %d, low %d; last high %d", sum[0]/each, sum[1]/each, last[0])
	if last[0] == each-1 { // all of high came before any of low
		t.Error("low starves while high waits")
	}
	if sum[0] >= sum[1] {
		t.Error("high does not go first: " + strconv.Itoa(sum[0]) + " " + strconv.Itoa(sum[1]))
	}
}
