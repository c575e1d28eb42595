package vendorsim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

const soon = vendorsim.Duration(time.Millisecond)

// Every kind of fault, as a client sees it, and its entry in the log.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  vendorsim.Fault
		body   string
		status int // the client's
		broken bool
		logged int // status
		billed int // completion tokens
		is     func(answer) bool
	}{
		"status": {
			vendorsim.Fault{Kind: "status", Status: 529, RetryAfterMS: 1500}, hello, 529, false, 529, 0,
			func(a answer) bool { return a.header.Get("Retry-After-Ms") == "1500" && valid(a) },
		},
		"status by default": {
			vendorsim.Fault{Kind: "status", RetryAfter: vendorsim.Duration(1100 * time.Millisecond)}, hello, 500, false,
			500, 0,
			func(a answer) bool { return a.header.Get("Retry-After") == "2" },
		},
		"reset": {vendorsim.Fault{Kind: "reset"}, hello, 0, true, 0, 0, func(a answer) bool {
			return errors.Is(a.err, syscall.ECONNRESET)
		}},
		"cut stream": {vendorsim.Fault{Kind: "cut", Chunks: 2}, helloStream, 200, true, 0, 2, func(a answer) bool {
			return strings.Count(a.body, "data:") == 2
		}},
		"cut at the end": {vendorsim.Fault{Kind: "cut", Chunks: 100}, helloStream, 200, true, 0, 8,
			func(a answer) bool {
				return strings.Count(a.body, "data:") == 8 && !strings.Contains(a.body, "DONE")
			}},
		"cut body": {vendorsim.Fault{Kind: "cut"}, hello, 200, true, 0, 0, func(a answer) bool {
			return a.body != "" && !valid(a)
		}},
		"malformed": {vendorsim.Fault{Kind: "malformed"}, hello, 200, false, 200, 0, func(a answer) bool {
			return !valid(a)
		}},
		"huge": {vendorsim.Fault{Kind: "huge"}, hello, 200, false, 200, 0, func(a answer) bool {
			return len(a.body) > 32<<20 && valid(a)
		}},
		"slow": {vendorsim.Fault{Kind: "slow", Delay: soon}, hello, 200, false, 200, 8, valid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(
				t,
				vendorsim.Config{Contract: vendorsim.Contract{Tokens: 1_000_000,
					Window: vendorsim.Duration(time.Hour)}},
			)
			tt.fault.Calls = 1
			b.fail(tt.fault)
			got := b.post(tt.body)
			if got.status != tt.status || (got.err != nil) != tt.broken || !tt.is(got) {
				t.Errorf("status %d, headers %v, body %.80q, error %v", got.status, got.header, got.body, got.err)
			}
			if err := b.WaitFor(t.Context(), func(s vendorsim.Stats) bool { return s.InFlight == 0 }); err != nil {
				t.Fatal(err)
			}
			call, st := b.Calls()[0], b.Stats()
			if call.Fault != tt.fault.Kind || call.Status != tt.logged || call.Completion != tt.billed ||
				call.Cancelled ||
				st.MaxTokens != call.Prompt+tt.billed {
				t.Errorf("log %+v, %d tokens in the window", call, st.MaxTokens)
			}
			if got := b.post(hello); got.status != 200 || got.err != nil {
				t.Errorf("the fault was for one call, the next got %d, %v", got.status, got.err)
			}
		})
	}
}

// valid reports whether the body is JSON.
func valid(a answer) bool { return json.Valid([]byte(a.body)) }

// A client that leaves is counted, and billed only for what was sent.
func TestCancelledCalls(t *testing.T) {
	t.Parallel()
	hour := vendorsim.Duration(time.Hour)
	for name, tt := range map[string]struct {
		cfg    vendorsim.Config
		fault  vendorsim.Fault
		body   string
		read   string // the client leaves when it has read this; at once when empty
		billed int
	}{
		"hang":         {fault: vendorsim.Fault{Kind: "hang"}, body: hello},
		"slow":         {fault: vendorsim.Fault{Kind: "slow", Delay: hour}, body: hello},
		"stall body":   {fault: vendorsim.Fault{Kind: "stall"}, body: hello, read: "{"},
		"stall stream": {fault: vendorsim.Fault{Kind: "stall", Chunks: 3}, body: helloStream, read: "data:", billed: 3},
		"streaming":    {cfg: vendorsim.Config{TokensPerSecond: 0.001}, body: helloStream, read: "data:", billed: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.cfg.Contract = vendorsim.Contract{Tokens: 1_000_000, Window: hour}
			b := start(t, tt.cfg)
			if tt.fault.Kind != "" {
				b.fail(tt.fault)
			}
			b.leave(tt.body, tt.read)
			left := func(s vendorsim.Stats) bool { return s.Cancelled == 1 && s.InFlight == 0 }
			if err := b.WaitFor(t.Context(), left); err != nil {
				t.Fatal(err)
			}
			call, st := b.Calls()[0], b.Stats()
			if !call.Cancelled || call.Completion != tt.billed || call.Ended.IsZero() || call.Status != 0 ||
				st.Status[0] != 1 ||
				st.MaxTokens != call.Prompt+tt.billed {
				t.Errorf("log %+v, stats %+v", call, st)
			}
		})
	}
}

// leave sends a call, and hangs up after a part of the answer, or as soon as the vendor has the call.
func (b *bundle) leave(body, read string) {
	b.t.Helper()
	ctx, hangUp := context.WithCancel(b.t.Context())
	defer hangUp()
	if read == "" {
		gone := make(chan answer)
		go func() { gone <- b.do(ctx, http.MethodPost, "/v1/chat/completions", body) }()
		if err := b.WaitFor(ctx, func(s vendorsim.Stats) bool { return s.InFlight == 1 }); err != nil {
			b.t.Error(err)
		}
		hangUp()
		if got := <-gone; !errors.Is(got.err, context.Canceled) {
			b.t.Errorf("got %+v", got)
		}
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.URL, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, len(read))); err != nil {
		b.t.Error(err)
	}
}

// Faults apply in order: slow ones add up, the first other one decides, and a fault is removed when it is used up.
func TestFaultsInOrder(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	if err := b.SetFaults(
		vendorsim.Fault{Kind: "slow", Delay: soon},
		vendorsim.Fault{Kind: "status", Status: 500, Calls: 2},
		vendorsim.Fault{Kind: "status", Status: 502, For: 1}, // a nanosecond: gone before the first call
		vendorsim.Fault{Kind: "status", Status: 503, Calls: 1},
	); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{500, 500, 503, 200, 200} {
		if got := b.post(hello); got.status != want {
			t.Errorf("call %d: %d instead of %d", i, got.status, want)
		}
	}
	if left := b.Faults(); len(left) != 1 || left[0].Kind != "slow" {
		t.Errorf("left: %+v", left)
	}
	if err := b.SetFaults(vendorsim.Fault{Kind: "reset"}, vendorsim.Fault{Kind: "nonsense"}); err == nil ||
		b.Faults()[0].Kind != "slow" {
		t.Errorf("a wrong list: %v, %+v", err, b.Faults())
	}
	b.ClearFaults()
	b.fail(vendorsim.Fault{Kind: "status", Probability: 0.25})
	failed := 0
	for range 400 {
		if b.post(hello).status == 500 {
			failed++
		}
	}
	if failed < 60 || failed > 140 {
		t.Errorf("%d of 400 failed, at a probability of 0.25", failed)
	}
}
