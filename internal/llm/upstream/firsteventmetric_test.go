package upstream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestTheFirstEventIsAMetric: the time until a stream had something to show, which a comment has not, and not that
// until its end.
func TestTheFirstEventIsAMetric(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := llmtest.Caller(t, llmtest.Config(), llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
			for _, s := range []string{": a comment\n\n", chunkA, chunkB, done} {
				time.Sleep(2 * time.Second)
				_, _ = io.WriteString(w, s)
			}
			w.Close()
		}))
		seen := func() (count uint64, sum float64) {
			families, err := c.Reg.Gather()
			llmtest.OK(t, err)
			for _, f := range families {
				if f.GetName() == "llm_vendor_first_event_seconds" {
					h := f.GetMetric()[0].GetHistogram()
					return h.GetSampleCount(), h.GetSampleSum()
				}
			}
			t.Fatal("there is no such metric")
			return 0, 0
		}
		if n, _ := seen(); n != 0 {
			t.Errorf("%d first events before any call", n)
		}
		_, err := c.Do(t.Context(), llmtest.NewStreamCall(&llmtest.Events{}))
		llmtest.OK(t, err)
		if n, sum := seen(); n != 1 || sum != 4 {
			t.Errorf("%d first events after %v s in all, want one after 4 s", n, sum)
		}
	})
}
