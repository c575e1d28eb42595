package llm

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// recordingGate writes down when it is entered and left.
func recordingGate(name string, log *[]string, reject error) namedGate {
	return named(name, gateFunc(func(context.Context, *Call) (func(Outcome), error) {
		if reject != nil {
			*log = append(*log, name+" rejects")
			return nil, reject
		}
		*log = append(*log, "enter "+name)
		return func(o Outcome) {
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
	c := localCaller(t, localConfig(), func(*http.Request) (*http.Response, error) {
		log = append(log, "call")
		return answer(http.StatusOK, nil, `{}`), nil
	}, recordingGate("a", &log, nil), recordingGate("b", &log, nil))
	resp, err := c.Do(t.Context(), newCall())
	ok(t, err)
	resp.Close()
	if want := []string{"enter a", "enter b", "call", "leave b", "leave a"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

func TestAGateThatRejectsUndoesThoseBeforeIt(t *testing.T) {
	t.Parallel()
	var log []string
	no := &outcome.Rejected{Layer: "b", Reason: outcome.VendorUnavailable}
	c := localCaller(t, localConfig(), hang, recordingGate("a", &log, nil), recordingGate("b", &log, no), recordingGate("c", &log, nil))
	_, err := c.Do(t.Context(), newCall())
	if !errors.Is(err, error(no)) {
		t.Errorf("got %v", err)
	}
	if want := []string{"enter a", "b rejects", "leave a, not called"}; !slices.Equal(log, want) {
		t.Errorf("got %q, want %q", log, want)
	}
}

// changing is a gate that changes its mind while the call waits further in.
type changing struct {
	gateFunc
	err error
}

func (g changing) Recheck(*Call) error { return g.err }

func TestAGateMayChangeItsMindBeforeTheCall(t *testing.T) {
	t.Parallel()
	var log []string
	gate := recordingGate("breaker", &log, nil)
	no := &outcome.Rejected{Layer: "breaker", Reason: outcome.VendorUnavailable}
	c := localCaller(t, localConfig(), hang, named("breaker", changing{gate.Gate.(gateFunc), no}))
	if _, err := c.Do(t.Context(), newCall()); !errors.Is(err, error(no)) {
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
		c := localCaller(t, localConfig(), func(*http.Request) (*http.Response, error) {
			return answer(http.StatusInternalServerError, nil, ""), nil
		}, recordingGate("a", &log, nil))
		call := newCall()
		_, err := c.Do(t.Context(), call)
		failed, isVendor := errors.AsType[*VendorError](err)
		if !isVendor || failed.Attempts != 4 || len(log) != 8 {
			t.Errorf("got %v; gates: %q", err, log)
		}
		if call.Timing.Retry <= 0 {
			t.Error("the time asleep was not recorded")
		}
	})
}

// A panic on the way must not cost a slot.
func TestAPanicLeavesTheGates(t *testing.T) {
	t.Parallel()
	var log []string
	c := localCaller(t, localConfig(), func(*http.Request) (*http.Response, error) { panic("oops") }, recordingGate("a", &log, nil))
	func() {
		defer func() { _ = recover() }()
		_, _ = c.Do(t.Context(), newCall())
	}()
	if c.Slots.Used() != 0 || len(log) != 2 {
		t.Errorf("%d slots used, gates: %q", c.Slots.Used(), log)
	}
}

// Whoever ends a wait is named: the queue timeout is ours, the SLA and the client are not.
func TestTheCauseOfAnEndIsNeverMistaken(t *testing.T) {
	t.Parallel()
	sla := timeoutCause("the SLA deadline")
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
			c := localCaller(t, localConfig(), hang)
			for range c.cfg.Slots { // once within the vendor call, once within the queue
				ctx, cancel := tt.ctx(t.Context())
				_, err := c.Do(ctx, newCall())
				cancel()
				if !errors.Is(err, tt.want) || errors.Is(err, ErrQueueTimeout) || errors.Is(err, ErrCallTimeout) {
					t.Errorf("%s: got %v", name, err)
				}
				leave, err := c.Slots.Enter(t.Context(), &Call{})
				ok(t, err)
				defer leave(Outcome{})
			}
		})
	}
}
