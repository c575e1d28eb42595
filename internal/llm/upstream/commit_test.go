package upstream_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

const (
	roleChunk    = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n"
	contentChunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n"
	keepsAlive   = "event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":3}\n\n"
	emptyEvent   = "data:\n\n"
	errorEvent   = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"
)

// committed makes a streaming call to a vendor that writes the parts a second apart, and returns after how long its
// gates were told that the answer is good; 0 when they were not.
func committed(t *testing.T, header http.Header, parts ...string) (after time.Duration) {
	stream := llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
		for _, part := range parts {
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, part)
		}
		w.Close()
	})
	began := time.Now()
	gate := llmtest.GateFunc(func(_ context.Context, call *llm.Call) (func(llm.Result), error) {
		call.OnCommit(func() { after = time.Since(began) })
		return llm.NoLeave, nil
	})
	c := llmtest.Caller(t, llmtest.Config(), func(r *http.Request) (*http.Response, error) {
		res, err := stream(r)
		maps.Copy(res.Header, header)
		return res, err
	}, llm.Named("early", gate))
	_, _ = c.Do(t.Context(), llmtest.NewStreamCall(&llmtest.Events{}))
	return after
}

// A gate that asks learns at a stream's first event with content that the answer is good: a probe of the breaker and
// the call that tries after a refusal need not wait for the end of a long stream.
func TestGatesLearnOfAGoodStreamAtItsFirstContent(t *testing.T) {
	t.Parallel()
	lines := http.Header{"Content-Type": {"application/x-ndjson"}}
	for name, tt := range map[string]struct {
		header http.Header
		parts  []string
		want   time.Duration
	}{
		"events":                     {nil, []string{roleChunk, contentChunk, contentChunk, done}, 2 * time.Second},
		"events that keep it alive":  {nil, []string{keepsAlive, emptyEvent, contentChunk, done}, 3 * time.Second},
		"lines of JSON":              {lines, []string{"{}\n", "{}\n"}, time.Second},
		"nothing but an error":       {nil, []string{roleChunk, errorEvent}, 0},
		"an error with the content":  {nil, []string{roleChunk, contentChunk + errorEvent}, 0},
		"an end without any content": {nil, []string{roleChunk}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if got := committed(t, tt.header, tt.parts...); got != tt.want {
					t.Errorf("told after %v, want %v", got, tt.want)
				}
			})
		})
	}
}
