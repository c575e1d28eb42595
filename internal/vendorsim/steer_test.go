package vendorsim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func TestSteering(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	do := func(method, path, body string, want int) string {
		t.Helper()
		got := b.do(t.Context(), method, path, body)
		if got.status != want || got.err != nil {
			t.Errorf("%s %s %s: %+v", method, path, body, got)
		}
		return got.body
	}
	do("POST", "/faults", `{"kind":"status","status":503,"for":"1h"}`, 204)
	do("POST", "/faults", `[{"kind":"reset","calls":2},{"kind":"hang"}]`, 204)
	var faults []vendorsim.Fault
	if err := json.Unmarshal([]byte(do("GET", "/faults", "", 200)), &faults); err != nil || len(faults) != 3 ||
		faults[0].For <= 0 ||
		faults[1].Calls != 2 {
		t.Errorf("%+v, %v", faults, err)
	}
	do("POST", "/lane/v1/chat/completions", hello, 503)
	do("DELETE", "/faults", "", 204)
	do("POST", "/openai/v1/chat/completions", hello, 200)

	do("PUT", "/config", `{"latency":"1ms..2ms","contract":{"requests":5}}`, 204)
	var cfg vendorsim.Config
	if err := json.Unmarshal([]byte(do("GET", "/config", "", 200)), &cfg); err != nil ||
		cfg.Latency.String() != "1ms..2ms" ||
		cfg.Contract.Window != vendorsim.Duration(time.Minute) ||
		cfg.CompletionTokens != 32 {
		t.Errorf("%+v, %v", cfg, err)
	}
	again, _ := json.Marshal(cfg)
	do("PUT", "/config", string(again), 204)
	do("POST", "/chat/completions", hello, 200)

	lines := 0
	for scan := bufio.NewScanner(strings.NewReader(do("GET", "/log", "", 200))); scan.Scan(); lines++ {
		var c vendorsim.Call
		if err := json.Unmarshal(scan.Bytes(), &c); err != nil || c.Arrived.IsZero() || c.Ended.IsZero() {
			t.Errorf("%s: %v", scan.Text(), err)
		}
	}
	var st vendorsim.Stats
	if err := json.Unmarshal([]byte(do("GET", "/stats", "", 200)), &st); err != nil || st.Calls != 3 ||
		st.Status[200] != 2 ||
		st.Status[503] != 1 ||
		lines != 3 {
		t.Errorf("%d lines in the log, %+v, %v", lines, st, err)
	}
	do("POST", "/reset", "", 204)
	if st := b.Stats(); st.Calls != 0 || len(b.Calls()) != 0 || len(st.Status) != 0 {
		t.Errorf("after the reset: %+v", st)
	}
	for _, wrong := range []string{"GET /v1/chat/completions", "POST /config", "POST /stats", "DELETE /log"} {
		method, path, _ := strings.Cut(wrong, " ")
		do(method, path, "{}", 405)
	}
	if st := b.Stats(); st.Calls != 0 {
		t.Errorf("steering was taken for %d calls", st.Calls)
	}
}

// A wrong request is refused and changes nothing, and the answer explains it.
func TestSteeringIsStrict(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	for _, tt := range []struct{ method, path, body, says string }{
		{"POST", "/faults", `{"kind":"explode"}`, "malformed"},
		{"POST", "/faults", `{"kindd":"reset"}`, `"retry_after"`},
		{"POST", "/faults", `[{"kind":"reset"},{"kind":"reset","count":1}]`, `"calls"`},
		{"POST", "/faults", `{"kind":"status","probability":2}`, "from 0 to 1"},
		{"POST", "/faults", `{"kind":"status","status":99}`, "from 200 to 599"},
		{"POST", "/faults", `{"kind":"cut","chunks":-1}`, "negative"},
		{"POST", "/faults", `{"kind":"slow","delay":5}`, "300ms"},
		{"POST", "/faults", `{"kind":"slow","delay":"soon"}`, "invalid duration"},
		{"POST", "/faults", `{"kind":"slow"}`, "needs a delay"},
		{"POST", "/faults", `{"kind":"reset"} {"kind":"reset"}`, "more than one"},
		{"POST", "/faults", `{"kind":"answer"}`, "a name or an answer"},
		{"POST", "/faults", `{"kind":"answer","name":"none"}`, "429-bare"},
		{"POST", "/faults", `{"kind":"reset","name":"429-bare"}`, "and no other"},
		{"POST", "/faults", `{"kind":"answer","answer":{"framing":"none"}}`, "chunked"},
		{"POST", "/faults", `{"kind":"reset","model":"["}`, "syntax error"},
		{"POST", "/faults", `[`, `"kind"`},
		{"POST", "/faults", ``, `"kind"`},
		{"PUT", "/config", `{"rpm":5}`, `"contract"`},
		{"PUT", "/config", `{"endpoints":["chat","chats"]}`, `no endpoint "chats"`},
		{"PUT", "/config", `{"tokens":{"hidden":-1}}`, "must not be negative"},
		{"PUT", "/config", `{"latency":"fast"}`, "lognormal:300ms,2s"},
		{"PUT", "/config", `{"contract":{"enforce":true}}`, "no contract to enforce"},
		{
			"PUT", "/config",
			`{"completion_tokens":-1,"tokens_per_second":-1,"contract":{"window":"-1s"},"keep_calls":-2}`,
			"keep_calls -2",
		},
	} {
		got := b.do(t.Context(), tt.method, tt.path, tt.body)
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, tt.says) {
			t.Errorf("%s %s: %d %s", tt.path, tt.body, got.status, got.body)
		}
	}
	if len(b.Faults()) != 0 || b.Config().CompletionTokens != 32 {
		t.Errorf("faults %+v, config %+v", b.Faults(), b.Config())
	}
	if _, err := vendorsim.New(vendorsim.Config{TokensPerSecond: math.NaN()}); err == nil {
		t.Error("a pace of NaN was accepted")
	}
	if _, err := vendorsim.Start(t.Context(), "no such address", vendorsim.Config{}); err == nil {
		t.Error("a wrong address was accepted")
	}
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	t.Parallel()
	sim, err := vendorsim.New(vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	err = sim.WaitFor(ctx, func(s vendorsim.Stats) bool { cancel(why); return s.Calls > 0 })
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	// The condition of WaitFor may call the simulator.
	go sim.ServeHTTP(
		httptest.NewRecorder(),
		httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(hello)),
	)
	served := func(s vendorsim.Stats) bool { return s.Calls == 1 && s.InFlight == 0 && sim.Stats().Calls == 1 }
	if err := sim.WaitFor(t.Context(), served); err != nil {
		t.Error(err)
	}
}
