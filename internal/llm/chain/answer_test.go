package chain_test

import (
	"net/http"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestWhatACallCostsIsKnownWithItsLane: a call that names no endpoint is settled by that of the lane, also when it is
// made again, as a job is. Its payload stays as it was.
func TestWhatACallCostsIsKnownWithItsLane(t *testing.T) {
	t.Parallel()
	vendor := llmtest.Always(http.StatusOK, http.Header{"Content-Type": {"application/json"}},
		`{"data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}`)
	l := newLanes(t, vendor, vendor, func(c *chain.Config) {
		c.Vendor.URL += "/embeddings"
		c.Further[0].Vendor.URL = c.Vendor.URL
	})
	call := llmtest.NewCall()
	before := call.Payload
	for range 2 {
		resp, err := l.Do(t.Context(), call)
		llmtest.OK(t, err)
		resp.Close()
		if call.Spent != 7 || call.Usage != (llm.Usage{Prompt: 7}) || call.Payload != before {
			t.Errorf("spent %d, usage %+v, payload %+v", call.Spent, call.Usage, call.Payload)
		}
	}
}
