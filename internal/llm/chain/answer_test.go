package chain_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestNothingFollowsWhatWasStreamed: a client leaves within the stream of the second lane. What the first one said
// before can no longer be the answer.
func TestNothingFollowsWhatWasStreamed(t *testing.T) {
	t.Parallel()
	left := errors.New("broken pipe")
	second := llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
		_, _ = io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}`+"\n\n")
		w.Close()
	})
	for name, first := range map[string]llmtest.RoundTrip{
		"a failure": answers(http.StatusInternalServerError),
		"a refusal": llmtest.Always(http.StatusBadRequest, http.Header{"Content-Type": {"application/json"}},
			`{"error":{"code":"context_length_exceeded"}}`),
	} {
		call := llmtest.NewStreamCall(&llmtest.Events{OnRaw: func(string) error { return left }})
		resp, err := newLanes(t, first, second, nil).Do(t.Context(), call)
		if resp != nil || !errors.Is(err, left) || call.Lane != "second" || !call.Streamed {
			t.Errorf("after %s: %+v, %v from lane %s", name, resp, err, call.Lane)
		}
	}
}

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

// TestAPromptThatIsTooLongGoesElsewhere in the words of every vendor that has its own.
func TestAPromptThatIsTooLongGoesElsewhere(t *testing.T) {
	t.Parallel()
	for document, c := range map[string]struct {
		status    int
		elsewhere bool
	}{
		`{"error":{"code":"context_length_exceeded","message":"Your input exceeds the context window"}}`:    {400, true},
		`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}`:   {400, true},
		`{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens"}}`: {400, true},
		`{"object":"error","message":"This model's maximum context length is 8 tokens.","code":400}`:        {400, true},
		`{"error":{"message":"This model's maximum context length is 8 tokens.","code":400}}`:               {400, true},
		`{"error":{"message":"Request too large for model m: Limit 8, Requested 9","type":"tokens"}}`:       {413, true},
		`{"object":"error","message":"Prompt contains 9 tokens, too large for model with 8","code":"3051"}`: {400, true},
		`{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}`:                    {400, true},
		`{"error":{"message":"messages is missing","code":"missing_required_parameter"}}`:                   {400, false},
		`{"error":{"message":"Prompt contains what is not allowed"}}`:                                       {400, false},
		`{"error":{"message":"Prompt is a bad name","type":"invalid_request_error"}}`:                       {400, false},
	} {
		first := llmtest.Always(c.status, http.Header{"Content-Type": {"application/json"}}, document)
		call := llmtest.NewCall()
		resp, err := newLanes(t, first, answers(http.StatusOK), nil).Do(t.Context(), call)
		llmtest.OK(t, err)
		if (resp.Status == http.StatusOK) != c.elsewhere {
			t.Errorf("%s: status %d from lane %s", document, resp.Status, call.Lane)
		}
	}
}
