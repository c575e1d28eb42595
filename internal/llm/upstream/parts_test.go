package upstream_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
	"github.com/spillway-dev/spillway/internal/memory"
)

// another is a call with a body of so many bytes and more, that asks for another model than its body, and what the
// vendor has to get.
func another(bytes int) (call *llm.Call, want string) {
	head, tail := `{"model":"`, `","text":"`+strings.Repeat("x", bytes)+`"}`
	call = llmtest.NewCall()
	call.Body = []byte(head + "m" + tail)
	call.AskFor("another")
	return call, head + "another" + tail
}

// TestBodiesInPartsAreSentWhole over each protocol, whether their bytes are used again or not.
func TestBodiesInPartsAreSentWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 300_000} {
		call, want := another(size)
		vendor := func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if string(got) != want || r.ContentLength != int64(len(want)) || err != nil {
				t.Errorf("the vendor got %d bytes of %d, announced as %d, %v: %.40q", len(got), len(want),
					r.ContentLength, err, got)
			}
			_, _ = io.WriteString(w, `{}`)
		}
		http2, _ := secure(t, nil, vendor)
		block := held(t, call)
		for _, v := range []*upstream.Vendor{vendorAt(t, serve(t, vendor), nil), http2} {
			for _, hold := range []llm.Holder{nil, block} {
				call.Hold = hold
				resp, out := v.Send(t.Context(), call)
				llmtest.OK(t, out.Err)
				resp.Close()
			}
		}
	}
}

// held lays the body of the call into a block.
func held(t *testing.T, call *llm.Call) *memory.Block {
	t.Helper()
	budget, err := memory.New(memory.Config{Budget: 64 << 20}, 0, time.Second, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	llmtest.OK(t, err)
	block := budget.Block(memory.Body)
	call.Body, err = block.ReadAll(t.Context(), bytes.NewReader(call.Body), int64(len(call.Body)), 32<<20)
	llmtest.OK(t, err)
	call.AskFor("another")
	return block
}

// TestBodiesInPartsAreNotCopied: what is sent, and sent again, are the bytes that the memory budget has counted. It
// runs alone, because it looks at the memory of the process.
func TestBodiesInPartsAreNotCopied(t *testing.T) { //nolint:paralleltest // it measures the process
	call, text := another(10 << 20)
	want := []byte(text)
	read := func(body io.Reader) {
		at, part := 0, make([]byte, 32<<10)
		for {
			n, err := body.Read(part)
			if !bytes.HasPrefix(want[at:], part[:n]) {
				t.Fatalf("other bytes at %d", at)
			}
			if at += n; err != nil {
				break
			}
		}
		if at != len(want) {
			t.Errorf("%d bytes of %d", at, len(want))
		}
	}
	v := vendorAt(t, "http://vendor.test/v1", func(c *chain.Config) {
		c.Vendor.Wrap = func(http.RoundTripper) http.RoundTripper {
			return llmtest.RoundTrip(func(r *http.Request) (*http.Response, error) {
				again, err := r.GetBody()
				llmtest.OK(t, err)
				read(r.Body)
				read(again)
				return llmtest.Answer(http.StatusOK, nil, `{}`), nil
			})
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call.AskFor("another")
	resp, out := v.Send(t.Context(), call)
	llmtest.OK(t, out.Err)
	resp.Close()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("a call with a body of %d bytes took %d", len(want), took)
	}
}
