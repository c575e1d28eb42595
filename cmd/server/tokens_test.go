package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// A user's tokens are counted over all pods, by the usage that the vendor reports. A user without tokens does not reach
// the vendor. The estimate of each call is about 70 tokens, its usage about 50, and the limit 700 a minute.
func TestTokensOfAUserAreCountedOverAllPods(t *testing.T) {
	t.Parallel()
	const (
		limit = 700
		body  = `{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"hello"}]}`
	)
	sim, url := judge(t, vendorsim.Config{CompletionTokens: 50})
	settings := production(t, redistest.Start(t), url, "LLM_TIER_TOKENS=enterprise:700")
	pods := []*process{start(t, settings), start(t, settings)}
	served, refused, began := 0, 0, time.Now()
	for i := range 60 {
		status, answer, err := post(t.Context(), http.DefaultClient, pods[i%2].URL, body)
		switch {
		case err != nil:
			t.Fatal(err)
		case status == http.StatusOK:
			served++
		case status == http.StatusTooManyRequests && problemCode(answer) == "user_token_limited":
			refused++
		default:
			t.Fatalf("got %d %s", status, answer)
		}
	}
	filled := limit * (1 + time.Since(began).Minutes()) // a full bucket, and what has come back since
	st := sim.Stats()
	if st.Calls != served {
		t.Errorf("%d calls at the vendor, %d were served", st.Calls, served)
	}
	var booked, used, limited float64
	for _, p := range pods {
		booked += metric(t, p, `llm_user_tokens_total{tier="enterprise",what="booked"}`)
		used += metric(t, p, `llm_user_tokens_total{tier="enterprise",what="used"}`)
		limited += metric(t, p, `llm_user_token_decisions_total{counted="shared",decision="limited",tier="enterprise"}`)
	}
	// Two pods that count separately would let through twice as much.
	if used < limit/2 || used > filled+limit/10 || booked < used {
		t.Errorf("%d served, %v tokens booked, %v used; there were %v", served, booked, used, filled)
	}
	if refused == 0 || int(limited) != refused {
		t.Errorf("%d refused, %v in the metric", refused, limited)
	}
	status, answer, err := post(t.Context(), http.DefaultClient, pods[0].URL, strings.Replace(body, "50", "5000", 1))
	if err != nil || status != http.StatusRequestEntityTooLarge || !strings.Contains(answer, "700 a minute") {
		t.Errorf("more than a minute has: %d %s %v", status, answer, err)
	}
}
