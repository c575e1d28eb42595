package llm_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// recordingGate writes down when it is entered and left.
func recordingGate(name string, log *[]string, reject error) llm.NamedGate {
	return llm.Named(name, llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
		if reject != nil {
			*log = append(*log, name+" rejects")
			return nil, reject
		}
		*log = append(*log, "enter "+name)
		return func(o llm.Result) {
			what := "leave " + name
			if !o.Called {
				what += ", not called"
			}
			*log = append(*log, what)
		}, nil
	}))
}

func TestGatesAreLeftInReverseOrder(t *testing.T) {
	t.Parallel()
	var log []string
	c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
		log = append(log, "call")
		return llmtest.Answer(http.StatusOK, nil, `{}`), nil
	}, recordingGate("a", &log, nil), recordingGate("b", &log, nil))
	resp, err := c.Do(t.Context(), llmtest.NewCall())
	llmtest.OK(t, err)
	resp.Close()
	if want := []string{"enter a", "enter b", "call", "leave b", "leave a"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

func TestAGateThatRejectsUndoesThoseBeforeIt(t *testing.T) {
	t.Parallel()
	var log []string
	no := &outcome.Rejected{Layer: "b", Reason: outcome.VendorUnavailable}
	c := llmtest.Caller(t, llmtest.Config(), llmtest.Hang, recordingGate("a", &log, nil), recordingGate("b", &log, no),
		recordingGate("c", &log, nil))
	_, err := c.Do(t.Context(), llmtest.NewCall())
	if !errors.Is(err, error(no)) {
		t.Errorf("got %v", err)
	}
	if want := []string{"enter a", "b rejects", "leave a, not called"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

// changing is a gate whose answer changes while the call waits in a later gate.
type changing struct {
	llmtest.GateFunc
	err error
}

func (g changing) Recheck(*llm.Call) error { return g.err }

func TestAGateMayChangeItsMindBeforeTheCall(t *testing.T) {
	t.Parallel()
	var log []string
	gate := recordingGate("breaker", &log, nil)
	no := &outcome.Rejected{Layer: "breaker", Reason: outcome.VendorUnavailable}
	c := llmtest.Caller(t, llmtest.Config(), llmtest.Hang,
		llm.Named("breaker", changing{gate.Gate.(llmtest.GateFunc), no}))
	if _, err := c.Do(t.Context(), llmtest.NewCall()); !errors.Is(err, error(no)) {
		t.Errorf("got %v", err)
	}
	if want := []string{"enter breaker", "leave breaker, not called"}; !slices.Equal(log, want) || c.Slots.Used() != 0 {
		t.Errorf("got %q, %d slots used", log, c.Slots.Used())
	}
}

func TestEveryAttemptPassesEveryGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log []string
		down := llmtest.Always(http.StatusInternalServerError, nil, "")
		c := llmtest.Caller(t, llmtest.Config(), down, recordingGate("a", &log, nil))
		call := llmtest.NewCall()
		_, err := c.Do(t.Context(), call)
		failed, isVendor := errors.AsType[*llm.VendorError](err)
		if !isVendor || failed.Attempts != 4 || len(log) != 8 {
			t.Errorf("got %v; gates: %q", err, log)
		}
		if call.Timing.Retry <= 0 {
			t.Error("the time asleep was not recorded")
		}
	})
}

// After a panic the slot is free again.
func TestAPanicLeavesTheGates(t *testing.T) {
	t.Parallel()
	var log []string
	c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) { panic("oops") },
		recordingGate("a", &log, nil))
	func() {
		defer func() { _ = recover() }()
		_, _ = c.Do(t.Context(), llmtest.NewCall())
	}()
	if c.Slots.Used() != 0 || len(log) != 2 {
		t.Errorf("%d slots used, gates: %q", c.Slots.Used(), log)
	}
}

// The error of a wait says what ended it: the queue timeout of the gate, or the SLA or the client.
func TestTheCauseOfAnEndIsNeverMistaken(t *testing.T) {
	t.Parallel()
	sla := llm.TimeoutCause("the SLA deadline")
	for name, tt := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"sla": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 3*time.Second, sla)
		}, sla},
		"client": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(3*time.Second, cancel)
			return ctx, cancel
		}, context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := llmtest.Caller(t, llmtest.Config(), llmtest.Hang)
			for range c.Slots.Size() { // once within the vendor call, once within the queue
				ctx, cancel := tt.ctx(t.Context())
				_, err := c.Do(ctx, llmtest.NewCall())
				cancel()
				if !errors.Is(err, tt.want) || errors.Is(err, llm.ErrQueueTimeout) ||
					errors.Is(err, llm.ErrCallTimeout) {
					t.Errorf("%s: got %v", name, err)
				}
				leave, err := c.Slots.Enter(t.Context(), &llm.Call{})
				llmtest.OK(t, err)
				defer leave(llm.Result{})
			}
		})
	}
}
