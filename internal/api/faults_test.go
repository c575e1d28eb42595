package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// fate is what becomes of a call whose first vendor has a fault.
type fate struct {
	status int
	lane   string // that answers; "cut" for an answer that is visibly broken off
	first  int    // calls that the first vendor sees
	reason string // why the call went to the fallback; "" when it did not
}

// The fates that are many faults'.
var (
	own   = fate{status: http.StatusOK, lane: "default", first: 1}
	cutIt = fate{status: http.StatusOK, lane: "cut", first: 1}
	never fate // the fault is not one of such answers
)

// elsewhere is the fate of a call that the fallback serves.
func elsewhere(first int, reason string) fate {
	return fate{status: http.StatusOK, lane: "second", first: first, reason: reason}
}

// refused is the fate of a call whose refusal is passed on.
func refused(status int) fate { return fate{status: status, lane: "default", first: 1} }

// vendorFault is what is wrong with a vendor, and what becomes of a call for an answer in one piece and for a stream.
type vendorFault struct {
	fault         vendorsim.Fault
	whole, stream fate
}

// vendorFaults are the faults, by name.
func vendorFaults() map[string]vendorFault {
	fault := func(kind string) vendorsim.Fault { return vendorsim.Fault{Kind: kind, Chunks: 3} }
	status := func(code, calls int) vendorsim.Fault {
		return vendorsim.Fault{Kind: "status", Status: code, Calls: calls}
	}
	wait := func(d time.Duration, calls int) vendorsim.Fault {
		ms := int(d.Milliseconds())
		return vendorsim.Fault{Kind: "status", Status: http.StatusTooManyRequests, RetryAfterMS: ms, Calls: calls}
	}
	named := func(name string) vendorsim.Fault { return vendorsim.Fault{Kind: "answer", Name: name} }
	slow := vendorsim.Fault{Kind: "slow", Delay: vendorsim.Duration(time.Minute)}
	both := func(f vendorsim.Fault, is fate) vendorFault { return vendorFault{f, is, is} }
	return map[string]vendorFault{
		"dead":                        both(fault("reset"), elsewhere(2, "connection")),
		"silent":                      both(fault("hang"), elsewhere(1, "timeout")),
		"slow first token":            both(slow, elsewhere(1, "timeout")),
		"silent after its headers":    {named("silence-first"), never, elsewhere(1, "timeout")},
		"silent after an empty chunk": {named("role-then-silence"), never, elsewhere(1, "timeout")},
		"500 once":                    both(status(500, 1), fate{status: 200, lane: "default", first: 2}),
		"500 for good":                both(status(500, 0), elsewhere(2, "status")),
		"529 for good":                both(status(529, 0), elsewhere(2, "status")),
		"429 once":                    both(status(429, 1), elsewhere(1, "vendor_rate_limited")),
		"429 for good":                both(status(429, 0), elsewhere(1, "vendor_rate_limited")),
		"429 with a wait that does fit": both(wait(50*time.Millisecond, 1),
			fate{status: 200, lane: "default", first: 2}),
		"429 with a wait that does not":   both(wait(time.Minute, 0), elsewhere(1, "rate_limit")),
		"no credit":                       both(named("429-billing"), elsewhere(1, "quota")),
		"our key is refused":              both(status(401, 0), elsewhere(1, "auth")),
		"cut":                             {fault("cut"), elsewhere(2, "connection"), cutIt},
		"stalled":                         {fault("stall"), elsewhere(1, "timeout"), cutIt},
		"a clean end before the end":      {named("clean-end-without-stop"), never, cutIt},
		"a stream that is whole, no DONE": {named("stop-without-done"), never, own},
		"malformed":                       both(fault("malformed"), elsewhere(2, "bad_content")),
		"context too long":                both(named("400-context-length"), elsewhere(1, "context_length")),
		"context too long, of Responses":  {named("responses-failed-too-long"), never, elsewhere(1, "context_length")},
		"context too long, an event":      {named("responses-error-too-long"), never, elsewhere(1, "context_length")},
		"context too long, after much":    {named("responses-echo-then-too-long"), never, cutIt},
		"above the whole limit":           both(named("429-too-large"), elsewhere(1, "context_length")),
		"above it, an event":              {named("responses-error-too-large"), never, elsewhere(1, "context_length")},
		"kept alive, then failed":         {named("responses-keepalive-then-failed"), never, elsewhere(2, "status")},
		"content filter":                  both(named("400-content-filter"), refused(400)),
		"another mistake":                 both(status(400, 0), refused(400)),
		"unknown model":                   both(status(404, 0), refused(404)),
		"an invalid request":              both(status(422, 0), refused(422)),
		"another model reported": {reports(`"model":"another"`,
			`"usage":{"prompt_tokens":9,"completion_tokens":2}`), own, own},
		"absurd usage reported": {reports(`"model":"gpt-4o"`,
			`"usage":{"prompt_tokens":-7,"completion_tokens":1e99}`), own, own},
		"usage of the wrong kind": {reports(`"model":null`, `"usage":"much"`), own, own},
	}
}

// reports is an answer that is whole and has these members. A stream gets it as a stream of events would have them.
func reports(members ...string) vendorsim.Fault {
	const choice = `"choices":[{"index":0,"message":{"content":"hi"},"delta":{"content":"hi"},"finish_reason":"stop"}]`
	body := "{" + strings.Join(append(members, choice), ",") + "}"
	return vendorsim.Fault{Kind: "answer", Answer: &script.Answer{
		Headers: map[string]string{"Content-Type": "application/json"}, Framing: script.Length,
		Body: []script.Piece{{Text: body}},
	}}
}

// TestVendorFaultsWithAFallback: a call is served, or ends with an error that says why. None hangs, and none that was
// cut looks whole.
func TestVendorFaultsWithAFallback(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t).URL()
	for name, f := range vendorFaults() {
		for body, want := range map[string]fate{wholeAsk: f.whole, streamAsk: f.stream} {
			if want == never {
				continue
			}
			t.Run(fmt.Sprintf("%s, stream %t", name, body == streamAsk), func(t *testing.T) {
				t.Parallel()
				v := newTwoVendors(t, redis, "LLM_CALL_TIMEOUT=2s")
				check(t, v.first.AddFault(f.fault))
				got, cut := v.sendCut(body)
				v.checkFate(want, got, cut)
			})
		}
	}
}

// checkFate holds what a client got, and what the pod says of it, against what it should be.
func (v twoVendors) checkFate(want fate, got answer, cut bool) {
	v.tb.Helper()
	cut = cut || strings.Contains(got.body, `"code":"vendor_error"`)
	switch {
	case got.status != want.status:
		v.tb.Errorf("status %d, want %d: %s", got.status, want.status, got.body)
	case want.lane == "cut":
		if !cut || isWhole(got) {
			v.tb.Errorf("an answer that was cut looks whole: %s", got.body)
		}
	case cut, got.header.Get("X-Llm-Lane") != want.lane, got.status == http.StatusOK && !isWhole(got):
		v.tb.Errorf("from lane %q, want %q: %s", got.header.Get("X-Llm-Lane"), want.lane, got.body)
	}
	if n := len(v.first.Calls()); n != want.first {
		v.tb.Errorf("the first vendor saw %d calls, want %d", n, want.first)
	}
	if line := v.accessLine(); want.lane != "cut" && line["lane"] != want.lane {
		v.tb.Errorf("the log has lane %v", line["lane"])
	}
	counted := map[string]float64{}
	if want.reason != "" {
		counted["default second "+want.reason] = 1
	}
	if got := v.failovers(); !maps.Equal(got, counted) {
		v.tb.Errorf("counted: %v, want %v", got, counted)
	}
}

// isWhole reports whether a client would take an answer for a whole one: a JSON document, or events of which one says
// why the answer ends.
func isWhole(a answer) bool {
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		return json.Valid([]byte(a.body))
	}
	return strings.Contains(a.body, `"finish_reason":"`) || strings.Contains(a.body, "[DONE]")
}

// TestAnAnswerIsTheVendorsOwn: what it says of its model and its usage reaches the client as it is, however wrong.
func TestAnAnswerIsTheVendorsOwn(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t).URL()
	for _, name := range []string{"another model reported", "absurd usage reported", "usage of the wrong kind"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newTwoVendors(t, redis, "LLM_QUOTA_TOKENS=10000", "LLM_LANE_SECOND_QUOTA_TOKENS=0")
			fault := vendorFaults()[name].fault
			check(t, v.first.AddFault(fault))
			for range 3 { // the contract is not used up by what is absurd
				if got := v.send(http.MethodPost, "/llm", wholeAsk); got.body != fault.Answer.Body[0].Text ||
					got.header.Get("X-Llm-Lane") != "default" {
					t.Errorf("from %q: %s", got.header.Get("X-Llm-Lane"), got.body)
				}
			}
		})
	}
}
