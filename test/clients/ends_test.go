package clients

import (
	"testing"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// A whole stream ends without an error at the client, also when the vendor ends it in an unusual way. A stream that was
// cut ends in an error, so that the client does not take a part for the whole.
func TestStreamsEndAsTheyAre(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{}, "LLM_RETRY_MAX=0", "LLM_BREAKER_FAILURES=1000")
	for name, whole := range map[string]bool{
		"stop-without-done": true, "done-then-close": true, "crlf-lines": true, "text-plain-stream": true,
		"tool-call": true, "refusal": true, "content-filter": true, "usage-null-then-said": true,
		"cut-after-content": false, "reset-after-content": false, "clean-end-without-stop": false, "error-later": false,
		"comments-only": false, "error-first": false, "stop-then-close": false, "two-choices-one-unfinished": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			params := hello()
			params.Model = "play:" + name
			stream, chunks := s.openAI().Chat.Completions.NewStreaming(t.Context(), params), 0
			for stream.Next() {
				chunks++
			}
			if err := stream.Err(); (err == nil) != whole || whole && chunks == 0 {
				t.Errorf("%d chunks, then %v", chunks, err)
			}
		})
	}
}

// TestAnErrorBeforeTheStreamBeginsIsMended: the service makes another attempt, and the client gets a whole stream.
func TestAnErrorBeforeTheStreamBeginsIsMended(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{}, "LLM_RETRY_MAX=1", "LLM_RETRY_BASE=1ms")
	for i, name := range []string{"error-first", "role-then-error", "comments-only"} {
		if err := s.AddFault(vendorsim.Fault{Kind: "answer", Name: name, Calls: 1}); err != nil {
			t.Fatal(err)
		}
		stream, chunks := s.openAI().Chat.Completions.NewStreaming(t.Context(), hello()), 0
		for stream.Next() {
			chunks++
		}
		if err := stream.Err(); err != nil || chunks == 0 {
			t.Errorf("%s: %d chunks, then %v", name, chunks, err)
		}
		if calls := s.Stats().Calls; calls != 2*(i+1) {
			t.Errorf("%s: the vendor saw %d calls", name, calls)
		}
	}
}
