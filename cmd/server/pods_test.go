package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// These tests run two or three real servers on a real Redis, with the simulated vendor as the judge.

const question = `{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":16}`

// judge starts a simulated vendor and returns it with the URL to call.
func judge(t *testing.T, cfg vendorsim.Config) (*vendorsim.Sim, string) {
	t.Helper()
	sim, err := vendorsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return sim, server.URL + "/v1/chat/completions"
}

// metric is the sum over a metric's series on the admin port.
func metric(t *testing.T, p *process, name string) float64 {
	t.Helper()
	sum, err := p.Metric(name)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// problemCode is the code of a problem document; "" when body is not one.
func problemCode(body string) string {
	var p struct{ Code string }
	_ = json.Unmarshal([]byte(body), &p)
	return p.Code
}

// flood calls all pods in turn from many clients until ctx ends, and counts the answers by status and code.
func flood(ctx context.Context, pods []*process, clients int) func() map[string]int {
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; ctx.Err() == nil; i++ {
				status, body, err := post(context.WithoutCancel(ctx), http.DefaultClient,
					pods[i%len(pods)].URL, question)
				what := strconv.Itoa(status) + " " + problemCode(body)
				if err != nil {
					what = err.Error()
				}
				mu.Lock()
				got[what]++
				mu.Unlock()
			}
		})
	}
	return func() map[string]int { wg.Wait(); return got }
}

// Mistake 7: a limit per pod, which lets through that limit times the number of pods. Three pods with far more load
// than the contract allows must stay within it together, and use it.
func TestServersShareTheVendorsContract(t *testing.T) {
	t.Parallel()
	contract := vendorsim.Contract{Requests: 60, Window: vendorsim.Duration(2 * time.Second)}
	sim, url := judge(t, vendorsim.Config{Contract: contract})
	settings := production(t, redistest.Start(t), url, "LLM_QUOTA_REQUESTS=60", "LLM_QUOTA_TOKENS=0",
		"LLM_QUOTA_WINDOW=2s", "LLM_QUEUE_TIMEOUT=200ms")
	pods := []*process{start(t, settings), start(t, settings), start(t, settings)}
	ctx, stop := context.WithTimeout(t.Context(), 6*time.Second)
	defer stop()
	got := flood(ctx, pods, 9)()
	st := sim.Stats()
	if st.RequestViolations != 0 {
		t.Errorf("%d violations; %d requests in one window of a contract of %d", st.RequestViolations,
			st.MaxRequests, contract.Requests)
	}
	if st.MaxRequests < contract.Requests/2 {
		t.Errorf("at most %d requests in a window: the contract of %d was not used", st.MaxRequests, contract.Requests)
	}
	for what, n := range got {
		if what != "200 " && what != "429 vendor_rate_limited" && what != "429 queue_timeout" {
			t.Errorf("%d times %s", n, what)
		}
	}
}

// The vendor fails. One pod sees it, and all pods stop calling. After the vendor's recovery all call again.
func TestPodsShareTheBreaker(t *testing.T) {
	t.Parallel()
	sim, url := judge(t, vendorsim.Config{})
	if err := sim.AddFault(vendorsim.Fault{Kind: "status", Status: 503}); err != nil {
		t.Fatal(err)
	}
	settings := production(t, redistest.Start(t), url, "LLM_BREAKER_OPEN=10s", "LLM_RETRY_MAX=0")
	a, b := start(t, settings), start(t, settings)
	for range 5 {
		if status, body, err := post(t.Context(), http.DefaultClient, a.URL, question); err != nil ||
			problemCode(body) != "vendor_error" || status != http.StatusBadGateway {
			t.Errorf("while the vendor fails: %d %s %v", status, body, err)
		}
	}
	await.True(t, "the other pod opens", func() bool { return metric(t, b, `llm_breaker_state{lane="default"}`) == 2 })
	before := sim.Stats().Calls
	if status, body, err := post(t.Context(), http.DefaultClient, b.URL, question); err != nil ||
		status != http.StatusServiceUnavailable || problemCode(body) != "vendor_unavailable" {
		t.Errorf("while open: %d %s %v", status, body, err)
	}
	if after := sim.Stats().Calls; after != before {
		t.Errorf("%d calls reached the vendor through an open breaker", after-before)
	}
	sim.ClearFaults()
	await.True(t, "both pods call again", func() bool {
		for _, p := range []*process{a, b} {
			if status, _, err := post(t.Context(), http.DefaultClient, p.URL, question); err != nil ||
				status != http.StatusOK {
				return false
			}
		}
		return true
	})
}

// Clients leave, some in the middle of a call and some in the middle of a stream. The vendor calls are cancelled, the
// slots are free again, and unused tokens are given back.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	sim, url := judge(t, vendorsim.Config{})
	if err := sim.AddFault(vendorsim.Fault{Kind: "stall", Chunks: 2}); err != nil {
		t.Fatal(err)
	}
	rdb := redistest.Start(t)
	const booked = 5000 // tokens for each call, of which next to nothing is used
	p := start(t, production(t, rdb, url, "LLM_QUOTA_TOKENS=20000000"))
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	const clients = 20
	for i := range clients {
		wg.Go(func() {
			body := strings.Replace(question, `"max_tokens":16`, `"max_tokens":`+strconv.Itoa(booked)+`,"stream":`+
				strconv.FormatBool(i%2 == 0), 1)
			if _, _, err := post(ctx, http.DefaultClient, p.URL, body); err == nil {
				t.Error("a stalled vendor answered")
			}
		})
	}
	await.True(t, "all calls are in flight", func() bool { return sim.Stats().InFlight == clients })
	if n := metric(t, p, "llm_slots_in_use"); n != clients {
		t.Errorf("%v slots in use for %d calls", n, clients)
	}
	leave()
	wg.Wait()
	await.True(t, "all calls are cancelled", func() bool {
		s := sim.Stats()
		return s.Cancelled == clients && s.InFlight == 0
	})
	await.True(t, "the slots come back", func() bool { return metric(t, p, "llm_slots_in_use") == 0 })
	await.True(t, "the requests are counted as 499", func() bool {
		_, text := get(t, p.Admin+"/metrics")
		return strings.Contains(text,
			`llm_http_requests_total{method="POST",reason="client_closed",route="/llm",status="499"} `+
				strconv.Itoa(clients))
	})
	// Only those of the streams: the vendor may still produce what a buffered call asked for, so it stays booked.
	await.True(t, "the tokens of the streams come back", func() bool {
		return metric(t, p, `llm_quota_settled_tokens_total{direction="down",lane="default"}`) > clients/2*booked*9/10
	})
}

// Redis hangs, is killed, and comes back empty, while requests go on. No request fails because of it, the contract
// holds all the time, the pod stays ready, and afterwards limits are shared again.
func TestRedisGoesAway(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]struct{ begin, end func(*redistest.Server) }{
		"hangs":            {(*redistest.Server).Stop, (*redistest.Server).Cont},
		"killed and empty": {(*redistest.Server).Kill, (*redistest.Server).Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const requests = 600
			sim, url := judge(t, vendorsim.Config{Contract: vendorsim.Contract{Requests: requests,
				Window: vendorsim.Duration(2 * time.Second)}})
			rdb := redistest.Start(t)
			settings := production(t, rdb, url, "LLM_REDIS_BUDGET=300ms", "LLM_QUOTA_REQUESTS="+strconv.Itoa(requests),
				"LLM_QUOTA_TOKENS=0",
				"LLM_QUOTA_WINDOW=2s", "LLM_QUOTA_SHARES=2", "LLM_QUEUE_TIMEOUT=500ms")
			pods := []*process{start(t, settings), start(t, settings)}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			result := flood(ctx, pods, 8)
			served := func(n int) { // until the vendor has seen n more
				until := sim.Stats().Calls + n
				await.True(t, "calls reach the vendor", func() bool { return sim.Stats().Calls >= until })
			}
			served(50)
			trouble.begin(rdb)
			await.True(t, "both pods notice", func() bool {
				return metric(t, pods[0], "llm_redis_up") == 0 &&
					metric(t, pods[1], "llm_redis_up") == 0
			})
			served(50)
			for _, p := range pods {
				if status, body := get(t, p.Admin+"/readyz"); status != http.StatusOK {
					t.Errorf("without Redis a pod is not ready: %s", body)
				}
			}
			trouble.end(rdb)
			await.True(t, "both pods share again",
				func() bool {
					return metric(t, pods[0], "llm_redis_up") == 1 &&
						metric(t, pods[1], "llm_redis_up") == 1
				})
			served(50)
			stop()
			for what, n := range result() {
				if what != "200 " && what != "429 vendor_rate_limited" && what != "429 queue_timeout" {
					t.Errorf("%d times %s", n, what)
				}
			}
			if st := sim.Stats(); st.RequestViolations != 0 {
				t.Errorf("%d violations; %d requests in one window of a contract of %d", st.RequestViolations,
					st.MaxRequests, requests)
			}
		})
	}
}

// The binary works with TLS and a password, with Sentinel, and with a Cluster, as with a plain Redis.
func TestRedisTopologies(t *testing.T) {
	t.Parallel()
	for name, settings := range topologies(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, url := judge(t, vendorsim.Config{})
			p := start(t, production(t, redistest.Start(t), url, settings...))
			for range 20 {
				if status, body, err := post(t.Context(), http.DefaultClient, p.URL, question); err != nil ||
					status != http.StatusOK {
					t.Fatalf("%d %s %v", status, body, err)
				}
			}
			shared := metric(t, p, `llm_quota_decisions_total{decision="at_once",lane="default",mode="shared"}`) +
				metric(t, p, `llm_quota_decisions_total{decision="booked",lane="default",mode="shared"}`)
			if shared != 20 {
				t.Errorf("%v of 20 calls were booked in Redis", shared)
			}
			if n := metric(t, p, `llm_redis_commands_total{result="refused"}`); n != 0 {
				t.Errorf("Redis refused %v commands", n)
			}
			if sim.Stats().Calls != 20 {
				t.Errorf("stats %+v", sim.Stats())
			}
		})
	}
}

// topologies starts Redis in every supported form except a plain server, and returns the settings for each. A Redis
// user has only the rights in docs/kubernetes.md.
func topologies(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rules, _ := strings.Cut(string(page), "ACL SETUSER spillway on >PASSWORD ")
	rules, _, _ = strings.Cut(rules, "\n")
	enough := strings.Fields(rules)
	sentinel, _ := redistest.StartSentinel(t)
	locked, ca := redistest.StartTLS(t, enough...)
	cluster, nodes := redistest.StartClusterNodes(t)
	for _, node := range nodes {
		if err := node.Client().ACLSetUser(t.Context(), "app",
			append([]string{"on", ">secret"}, enough...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	cluster = strings.Replace(cluster, "redis://", "redis://app:secret@", 1)
	return map[string][]string{
		"tls":      {"LLM_REDIS_URL=" + locked, "SSL_CERT_FILE=" + ca},
		"sentinel": {"LLM_REDIS_URL=" + sentinel, "LLM_REDIS_MASTER=mymaster"},
		"cluster":  {"LLM_REDIS_URL=" + cluster, "LLM_REDIS_CLUSTER=true"},
	}
}

// TestTwoProcessesShareTheUserLimit shows that the binary keeps the user limit in the shared Redis.
func TestTwoProcessesShareTheUserLimit(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	close(vendor.open)
	settings := production(t, redistest.Start(t), vendor.URL, "LLM_TIER_RATES=enterprise:6")
	a, b := start(t, settings), start(t, settings)
	allowed := 0
	for i := range 12 {
		p := []*process{a, b}[i%2]
		code, body, err := post(t.Context(), http.DefaultClient, p.URL, payload(0))
		switch {
		case err == nil && code == http.StatusOK:
			allowed++
		case err != nil || code != http.StatusTooManyRequests || !strings.Contains(body, "user_rate_limited"):
			t.Errorf("got %d %s %v", code, body, err)
		}
	}
	if allowed < 6 || allowed > 7 { // one comes back every ten seconds
		t.Errorf("%d of 12 allowed over two pods, want 6", allowed)
	}
}
