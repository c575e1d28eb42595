package llm_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// When no gate makes a call wait, no gate notices that its client has left: it is checked before the vendor is called.
func TestACallWithoutAClientIsNotMade(t *testing.T) {
	t.Parallel()
	var left []llm.Result
	gate := llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
		return func(out llm.Result) { left = append(left, out) }, nil
	})
	c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
		t.Error("the vendor was called")
		return llmtest.Answer(200, nil, `{}`), nil
	}, llm.Named("g", gate))
	gone := errors.New("the client left")
	ctx, leave := context.WithCancelCause(t.Context())
	leave(gone)
	errSLA := errors.New("SLA")
	late := deadline.New(t.Context(), time.Now().Add(-time.Second), errSLA)
	defer late.Stop()
	for want, ctx := range map[error]context.Context{gone: ctx, errSLA: late} {
		call := llmtest.NewCall()
		if _, err := c.Do(ctx, call); !errors.Is(err, want) || call.Attempts != 0 {
			t.Errorf("%v after %d attempts, want %v", err, call.Attempts, want)
		}
	}
	if len(left) != 2 || left[0].Called || left[1].Called {
		t.Errorf("left the gates with %+v", left)
	}
}

// When the client's sink panics, the call counts as made.
func TestAPanicInAStreamIsACallThatWasMade(t *testing.T) {
	t.Parallel()
	var left []llm.Result
	gate := llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
		return func(out llm.Result) { left = append(left, out) }, nil
	})
	c := llmtest.Caller(t, llmtest.Config(), llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
		_, _ = io.WriteString(w, "data: {}\n\ndata: [DONE]\n\n")
		_ = w.Close()
	}), llm.Named("g", gate))
	func() {
		defer func() { _ = recover() }()
		_, _ = c.Do(t.Context(), llmtest.NewStreamCall(panics{}))
	}()
	if len(left) != 1 || !left[0].Called || !errors.Is(left[0].Err, llm.ErrPanicked) {
		t.Errorf("left the gates with %+v", left)
	}
}

type panics struct{}

func (panics) Start(http.Header) error { return nil }

func (panics) Event([]byte) error { panic("sink") }
