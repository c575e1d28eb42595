package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// twoVendors is a pod with a lane at each of two vendors. The second is the first one's fallback.
type twoVendors struct {
	*bundle
	first, second *vendorsim.Sim
}

// newTwoVendors returns a pod that gives the first vendor up soon.
func newTwoVendors(t *testing.T, redis string, env ...string) twoVendors {
	t.Helper()
	return twoVendorsWith(t, options{redis: redis}, env...)
}

func twoVendorsWith(t *testing.T, o options, env ...string) twoVendors {
	t.Helper()
	var v twoVendors
	var urls []string
	for _, sim := range []**vendorsim.Sim{&v.first, &v.second} {
		var err error
		*sim, err = vendorsim.New(vendorsim.Config{KeepRequests: 100})
		check(t, err)
		vendor := httptest.NewServer(*sim)
		t.Cleanup(func() { vendor.CloseClientConnections(); vendor.Close() })
		urls = append(urls, vendor.URL+"/v1/chat/completions")
	}
	o.real, o.env = true, append([]string{
		"LLM_VENDOR_URL=" + urls[0], "LLM_LANES=second", "LLM_FALLBACK=second", "LLM_LANE_SECOND_VENDOR_URL=" + urls[1],
		"LLM_LANE_SECOND_MODEL=claude", "LLM_RETRY_BASE=1ms", "LLM_RETRY_MAX_DELAY=2ms", "LLM_RETRY_BUDGET=1",
		"LLM_BREAKER_FAILURES=100", "LLM_CALL_TIMEOUT=20s", "LLM_FIRST_EVENT_TIMEOUT=300ms", "LLM_STREAM_IDLE=300ms",
	}, env...)
	v.bundle = newBundle(t, nil, o)
	return v
}

// sendCut posts body and reports whether the connection was broken off before the answer's end.
func (v twoVendors) sendCut(body string) (got answer, cut bool) {
	v.tb.Helper()
	res, err := v.server.Client().Do(v.request(http.MethodPost, "/llm", body))
	check(v.tb, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text)}, err != nil
}

// failovers are the calls that left a lane, by "from to reason".
func (v twoVendors) failovers() map[string]float64 {
	v.tb.Helper()
	families, err := v.reg.Gather()
	check(v.tb, err)
	counted := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "llm_failovers_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			counted[labels["from"]+" "+labels["to"]+" "+labels["reason"]] = m.GetCounter().GetValue()
		}
	}
	return counted
}

const (
	wholeAsk  = `{"model":"gpt-4o", "messages":[],"max_tokens":8}`
	streamAsk = `{"model":"gpt-4o", "messages":[],"max_tokens":8,"stream":true}`
)

// TestTheFallbackIsAskedForItsOwnModel, and for nothing else that is different.
func TestTheFallbackIsAskedForItsOwnModel(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL())
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "status", Status: 503}))
	if got := v.send(http.MethodPost, "/llm", wholeAsk, "Idempotency-Key", "k"); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	first, second := v.first.Calls()[0].Seen, v.second.Calls()[0].Seen
	if want := strings.Replace(wholeAsk, `"gpt-4o"`, `"claude"`, 1); second.Body != want || first.Body != wholeAsk {
		t.Errorf("the vendors saw %s and %s", first.Body, second.Body)
	}
	if a, b := first.Header.Get("Idempotency-Key"), second.Header.Get("Idempotency-Key"); a == b || a == "" || b == "" {
		t.Errorf("keys %q and %q", a, b)
	}
}

// TestAnOutageIsNotNoticed: all calls are answered while the first vendor is down, which gets few of them. When it is
// well again it gets all its calls.
func TestAnOutageIsNotNoticed(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL(), "LLM_BREAKER_FAILURES=3", "LLM_BREAKER_OPEN=300ms",
		"LLM_BREAKER_SUCCESSES=1")
	asked := 0
	lane := func() string {
		asked++
		got := v.send(http.MethodPost, "/llm", []string{wholeAsk, streamAsk}[asked%2])
		if got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return got.header.Get("X-Llm-Lane")
	}
	if got := lane(); got != "default" {
		t.Fatalf("a healthy vendor is not asked, but %s", got)
	}
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "status", Status: 503}))
	const calls = 200
	for range calls {
		if got := lane(); got != "second" {
			t.Fatalf("answered by %s", got)
		}
	}
	if n := len(v.first.Calls()); n > calls/2 {
		t.Errorf("the dead vendor saw %d calls", n)
	}
	v.first.ClearFaults()
	await.True(t, "the first vendor is asked again", func() bool { return lane() == "default" })
}

// TestBothVendorsFail: the client gets the answer that says more.
func TestBothVendorsFail(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t).URL()
	status := func(code int) vendorsim.Fault { return vendorsim.Fault{Kind: "status", Status: code} }
	for name, c := range map[string]struct {
		first, second vendorsim.Fault
		status        int
		lane          string
	}{
		"alike":                          {status(500), status(503), 502, ""},
		"the second knows what is wrong": {status(500), status(400), 400, "second"},
		"the second knows no such model": {status(500), status(404), 502, ""},
		"the first knows what is wrong": {vendorsim.Fault{Kind: "answer", Name: "400-context-length"}, status(500),
			400, "default"},
		"both know": {vendorsim.Fault{Kind: "answer", Name: "400-context-length"}, status(422),
			400, "default"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newTwoVendors(t, redis)
			check(t, v.first.AddFault(c.first))
			check(t, v.second.AddFault(c.second))
			if got := v.send(http.MethodPost, "/llm", wholeAsk); got.status != c.status ||
				got.header.Get("X-Llm-Lane") != c.lane {
				t.Errorf("%d from %q: %s", got.status, got.header.Get("X-Llm-Lane"), got.body)
			}
		})
	}
}

// TestOneModelsLimitStopsNoOther: two models with two contracts, of which one is used up.
func TestOneModelsLimitStopsNoOther(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL(), "LLM_FALLBACK=", "LLM_LANE_SECOND_MODELS=mini*",
		"LLM_QUOTA_REQUESTS=6000",
		"LLM_LANE_SECOND_QUOTA_REQUESTS=60", "LLM_LANE_SECOND_QUOTA_BURST=1", "LLM_LANE_SECOND_MODEL=never-asked-for")
	mini := strings.Replace(wholeAsk, "gpt-4o", "mini-2", 1)
	limited := 0
	for range 20 {
		if got := v.send(http.MethodPost, "/llm", mini, "X-Priority", "low"); got.code() == "vendor_rate_limited" {
			limited++
		} else if got.header.Get("X-Llm-Lane") != "second" {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := v.send(http.MethodPost, "/llm", wholeAsk); got.status != http.StatusOK ||
			got.header.Get("X-Llm-Lane") != "default" {
			t.Errorf("the other model got %d %s", got.status, got.body)
		}
	}
	if limited == 0 {
		t.Error("the contract of the lane does not hold")
	}
	if models := v.second.Calls(); slices.ContainsFunc(models,
		func(c vendorsim.Call) bool { return c.Model != "mini-2" }) {
		t.Errorf("a call that the lane serves itself was given another model: %v", models)
	}
}

// TestOneLanesTroubleStopsNoOther: a pause that the vendor asks for, and an open breaker, are of the lane that met
// them.
func TestOneLanesTroubleStopsNoOther(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t).URL()
	mini := strings.Replace(wholeAsk, "gpt-4o", "mini-2", 1)
	for code, fault := range map[string]vendorsim.Fault{
		"vendor_rate_limited": {Kind: "status", Status: 429, RetryAfter: vendorsim.Duration(time.Hour)},
		"vendor_unavailable":  {Kind: "status", Status: 500},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			v := newTwoVendors(t, redis, "LLM_FALLBACK=", "LLM_LANE_SECOND_MODELS=mini*", "LLM_BREAKER_FAILURES=2",
				"LLM_BREAKER_OPEN=1h")
			check(t, v.second.AddFault(fault))
			await.True(t, "the lane turns its calls away", func() bool {
				return v.send(http.MethodPost, "/llm", mini).code() == code
			})
			seen := len(v.second.Calls())
			for range 10 {
				if got := v.send(http.MethodPost, "/llm", wholeAsk); got.status != http.StatusOK {
					t.Errorf("the other lane: %d %s", got.status, got.body)
				}
				if got := v.send(http.MethodPost, "/llm", mini); got.code() != code ||
					got.header.Get("Retry-After") == "" {
					t.Errorf("the lane: %d %s", got.status, got.body)
				}
			}
			if n := len(v.second.Calls()); n != seen {
				t.Errorf("the lane's vendor saw %d calls meanwhile", n-seen)
			}
		})
	}
}

// TestAUsedUpContractSendsCallsElsewhere, those of low priority at once and others after a short wait.
func TestAUsedUpContractSendsCallsElsewhere(t *testing.T) {
	t.Parallel()
	v := newTwoVendors(t, redistest.Start(t).URL(), "LLM_QUOTA_REQUESTS=10", "LLM_QUOTA_BURST=1",
		"LLM_LANE_SECOND_QUOTA_REQUESTS=0")
	for i := range 5 {
		got := v.send(http.MethodPost, "/llm", wholeAsk)
		if want := []string{"default", "second"}[min(i, 1)]; got.status != http.StatusOK ||
			got.header.Get("X-Llm-Lane") != want {
			t.Errorf("call %d: %d from %q: %s", i, got.status, got.header.Get("X-Llm-Lane"), got.body)
		}
	}
	if got := v.failovers(); got["default second vendor_rate_limited"] != 4 {
		t.Errorf("counted: %v", got)
	}
}
