package api_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestNothingElseOfTheBodyChanges: the fallback gets the bytes that the client sent, but for the value of model.
func TestNothingElseOfTheBodyChanges(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL())
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "status", Status: 503}))
	for i, body := range []string{
		"\n {\t\"messages\" : [ ] ,\r\n  \"model\"\t:  \"gpt-4o\" , \"max_tokens\":8.0e0 }\n\n",
		`{"model":"gpt-4o","messages":[{"role":"user","content":"\u00e9\/\ud83d\ude00 \"model\":\"gpt-4o\""}],"max_tokens":8}`,
		`{"mod\u0065l":"gpt-4o","metadata":{"model":"gpt-4o"},"messages":[],"x":1,"x":2,"max_tokens":8}`,
		`{"model":"a","messages":[],"model":"gpt-4o","max_tokens":8}`,
		`{"messages":[],"seed":12345678901234567890,"temperature":1.10,"max_tokens":8,"model":"gpt\u002d4o"}`,
	} {
		if got := v.send(http.MethodPost, "/llm", body); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		calls := v.second.Calls()
		want := strings.NewReplacer(`l":"gpt-4o"`, `l":"claude"`, "model\"\t:  \"gpt-4o\"", "model\"\t:  \"claude\"",
			`"model":"a"`, `"model":"claude"`, `"gpt\u002d4o"`, `"claude"`, `"metadata":{"model":"gpt-4o"}`,
			`"metadata":{"model":"gpt-4o"}`,
			`\"model\":\"gpt-4o\"`, `\"model\":\"gpt-4o\"`).Replace(body)
		if seen := calls[len(calls)-1].Seen.Body; seen != want {
			t.Errorf("body %d: the fallback saw\n%s\nwant\n%s", i, seen, want)
		}
	}
	for _, call := range v.first.Calls() {
		if strings.Contains(call.Seen.Body, "claude") {
			t.Errorf("the first vendor saw %s", call.Seen.Body)
		}
	}
}

// TestAClientThatLeftIsNotAskedForElsewhere: its call ends and does not go to the fallback.
func TestAClientThatLeftIsNotAskedForElsewhere(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL())
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "hang"}))
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		res, err := v.server.Client().Do(v.request(http.MethodPost, "/llm", wholeAsk).WithContext(ctx))
		if err == nil {
			_ = res.Body.Close()
		}
		gone <- err
	}()
	check(t, v.first.WaitFor(t.Context(), func(s vendorsim.Stats) bool { return s.InFlight == 1 }))
	leave()
	<-gone
	if line := v.accessLine(); line["reason"] != "client_closed" {
		t.Errorf("the log has %v", line)
	}
	if n := len(v.second.Calls()); n > 0 {
		t.Errorf("the fallback saw %d calls", n)
	}
}

// TestNoTimeIsLeftForElsewhere: a call whose SLA is over ends.
func TestNoTimeIsLeftForElsewhere(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL(), "LLM_SLA=500ms", "LLM_QUEUE_TIMEOUT=400ms",
		"LLM_CALL_TIMEOUT=500ms")
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "hang"}))
	if got := v.send(http.MethodPost, "/llm", wholeAsk); got.status != http.StatusGatewayTimeout {
		t.Errorf("%d %s", got.status, got.body)
	}
	if n := len(v.second.Calls()); n > 0 {
		t.Errorf("the fallback saw %d calls", n)
	}
}

// TestAnOpenBreakerSendsCallsElsewhere at once, and when both are open the client is told when the first of them
// closes.
func TestAnOpenBreakerSendsCallsElsewhere(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL(), "LLM_BREAKER_FAILURES=1", "LLM_BREAKER_OPEN=1h", "LLM_RETRY_MAX=0",
		"LLM_LANE_SECOND_BREAKER_OPEN=30m")
	ask := func() answer { return v.send(http.MethodPost, "/llm", wholeAsk) }
	const open = "default second vendor_unavailable"
	down := vendorsim.Fault{Kind: "status", Status: 500}
	check(t, v.first.AddFault(down))
	await.True(t, "the first breaker opens", func() bool { ask(); return v.failovers()[open] > 0 })
	seen, counted := len(v.first.Calls()), v.failovers()[open]
	for range 10 {
		if got := ask(); got.status != http.StatusOK || got.header.Get("X-Llm-Lane") != "second" {
			t.Errorf("%d from %q: %s", got.status, got.header.Get("X-Llm-Lane"), got.body)
		}
	}
	if got := v.failovers()[open]; got != counted+10 || len(v.first.Calls()) != seen {
		t.Errorf("%v of 10 calls went elsewhere because of the breaker, %d did not", got-counted,
			len(v.first.Calls())-seen)
	}
	check(t, v.second.AddFault(down))
	var got answer
	await.True(t, "the second breaker opens", func() bool { got = ask(); return got.code() == "vendor_unavailable" })
	seen = len(v.second.Calls())
	if wait, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || wait > 1800 ||
		ask().code() != "vendor_unavailable" || len(v.second.Calls()) != seen {
		t.Errorf("both breakers are open: Retry-After %q, %s", got.header.Get("Retry-After"), got.body)
	}
}

// TestEachLaneHasItsOwnRetryBudget: a dead lane gets no more attempts than without a fallback, the fallback gets one
// for each call that comes to it, and the budget that the dead lane has used up is not the fallback's.
func TestEachLaneHasItsOwnRetryBudget(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL(), "LLM_RETRY_BUDGET=0.1", "LLM_BREAKER_FAILURES=1000000")
	const calls = 200
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "status", Status: 500}))
	for range calls {
		if got := v.send(http.MethodPost, "/llm", wholeAsk); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if n := len(v.first.Calls()); n > calls*11/10 || n <= calls {
		t.Errorf("the dead lane saw %d attempts of %d calls", n, calls)
	}
	if n := len(v.second.Calls()); n != calls {
		t.Errorf("the fallback saw %d attempts of %d calls", n, calls)
	}
	check(t, v.second.AddFault(vendorsim.Fault{Kind: "status", Status: 500, Calls: 1}))
	if got := v.send(http.MethodPost, "/llm", wholeAsk); got.status != http.StatusOK {
		t.Errorf("the fallback was not tried again: %d %s", got.status, got.body)
	}
	before := len(v.second.Calls())
	check(t, v.second.SetFaults(vendorsim.Fault{Kind: "status", Status: 500}))
	for range calls {
		v.send(http.MethodPost, "/llm", wholeAsk)
	}
	if n := len(v.second.Calls()) - before; n > calls*12/10 { // it has saved some retries while it was well
		t.Errorf("the dead fallback saw %d attempts of %d calls", n, calls)
	}
}
