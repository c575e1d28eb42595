package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestARequestAboveTheWholeLimit is refused by OpenAI as a rate limit, although no wait can mend it. The client gets
// the refusal, nothing is repeated, not as a job either, and no other call waits.
func TestARequestAboveTheWholeLimit(t *testing.T) {
	t.Parallel()
	v := twoVendorsWith(t, options{redis: redistest.Start(t).URL(), jobs: true}, "LLM_FALLBACK=",
		"LLM_LANE_SECOND_MODELS=mini*")
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "answer", Name: "429-too-large", Calls: 2}))
	const says = "Request too large for gpt-4o"
	got := v.send(http.MethodPost, "/llm", wholeAsk)
	if got.status != http.StatusTooManyRequests || !strings.Contains(got.body, says) ||
		got.header.Get("X-Should-Retry") != "false" || got.header.Get("Retry-After") != "" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	job := v.finished(v.submitAll(wholeAsk)[0])
	if job.State != "failed" || job.Response == nil ||
		job.Response.Status != http.StatusTooManyRequests || !strings.Contains(string(job.Response.Body), says) {
		t.Errorf("%+v", job)
	}
	if n := len(v.first.Calls()); n != 2 {
		t.Errorf("the vendor saw %d calls", n)
	}
	if got := v.send(http.MethodPost, "/llm", wholeAsk, "X-Request-ID", "next"); got.status != http.StatusOK {
		t.Errorf("the next call: %d %s", got.status, got.body)
	}
	line := v.accessLine()
	for line["request_id"] != "next" {
		line = v.accessLine()
	}
	if wait, ok := line["queue_ms"].(float64); !ok || wait > 500 {
		t.Errorf("the next call waited: %v", line)
	}
}
