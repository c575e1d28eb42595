package vendorsim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestASmallerContractIsAFault: its contract is enforced while it lasts, also with another fault. After it the
// configuration's contract applies again.
func TestASmallerContractIsAFault(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{Contract: vendorsim.Contract{Requests: 50, Enforce: true}})
	limit := func() string { return b.post(hello).header.Get("X-Ratelimit-Limit-Requests") }
	put := func(body string, want int) {
		t.Helper()
		if got := b.do(t.Context(), http.MethodPut, "/faults", body); got.status != want {
			t.Fatalf("%s: %+v", body, got)
		}
	}
	if got := limit(); got != "50" {
		t.Errorf("before, the limit is %q", got)
	}
	put(`[{"kind":"contract","contract":{"requests":3,"window":"1h","enforce":true}},{"kind":"slow","delay":"1ms"}]`, 204)
	statuses := map[int]int{}
	for range 5 { // one call was before
		statuses[b.post(hello).status]++
	}
	if got := limit(); got != "3" || statuses[200] != 2 || statuses[429] != 3 {
		t.Errorf("meanwhile the limit is %q, and the statuses are %v", got, statuses)
	}
	b.Reset() // what was seen; the fault stays
	if got := limit(); got != "3" {
		t.Errorf("after a reset the limit is %q", got)
	}
	put(`{"kind":"slow","delay":"1ms"}`, 204) // replaces it
	if got := limit(); got != "50" {
		t.Errorf("after it the limit is %q", got)
	}
	if cfg := b.Config().Contract; cfg.Requests != 50 || cfg.Window != vendorsim.Duration(time.Minute) {
		t.Errorf("the configuration is %+v", cfg)
	}
}

// TestASmallerContractExpires: the contract ends with its fault.
func TestASmallerContractExpires(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	b.fail(vendorsim.Fault{Kind: "contract", For: soon, Contract: &vendorsim.Contract{Requests: 3, Enforce: true}})
	for len(b.Faults()) > 0 {
		continue
	}
	if got := b.post(hello).header.Get("X-Ratelimit-Limit-Requests"); got != "" {
		t.Errorf("the limit is still %q", got)
	}
}

func TestAContractIsForAllCalls(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	for _, wrong := range []string{
		`{"kind":"contract"}`, `{"kind":"hang","contract":{"requests":1}}`, `{"kind":"contract","contract":{"enforce":true}}`,
		`{"kind":"contract","contract":{"requests":1},"model":"m"}`, `{"kind":"contract","contract":{"requests":1},"calls":1}`,
		`{"kind":"contract","contract":{"requests":-1}}`,
	} {
		got := b.do(t.Context(), http.MethodPost, "/faults", wrong)
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, "contract") || len(b.Faults()) > 0 {
			t.Errorf("%s: %d %s", wrong, got.status, got.body)
		}
	}
}
