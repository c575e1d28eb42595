package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// TestDevAnswersThePrintedCurlLines does what a newcomer does: make run, copy, paste.
func TestDevAnswersThePrintedCurlLines(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--dev")
	if _, err := p.Stdout.Line(await.Limit, "Ctrl-C"); err != nil {
		t.Fatal(err)
	}
	var answers []string
	for line := range strings.Lines(p.Stdout.String()) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			answers = append(answers, paste(t, line))
		}
	}
	if len(answers) != 2 {
		t.Fatalf("%d curl lines, want one plain and one streamed", len(answers))
	}
	if a := answers[0]; !strings.Contains(a, `"choices"`) || !strings.Contains(a, "Hello!") {
		t.Errorf("plain: %s", a)
	}
	if a := answers[1]; !strings.HasPrefix(a, "data: {") || !strings.HasSuffix(strings.TrimSpace(a), "data: [DONE]") {
		t.Errorf("streamed: %s", a)
	}
	// The answer went through every layer, which the headers show.
	_, metrics := get(t, p.Admin+"/metrics")
	for _, want := range []string{
		`llm_http_requests_total{method="POST",reason="",route="/llm",status="200"} 2`,
		`llm_user_limit_decisions_total{counted="shared",decision="allowed",tier="pro"} 2`,
		`llm_vendor_attempts_total{endpoint="chat",lane="default",result="ok"} 2`,
		`llm_breaker_state{lane="default"} 0`,
		`llm_quota_decisions_total`,
		`llm_slots 50`,
		`llm_redis_up 1`,
		"\ngo_gc_gogc_percent 100\n", // without a memory limit Go's own pace stays
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	p.terminate()
	if code := p.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// paste runs the printed line with curl, or makes the same request when curl is not installed.
func paste(t *testing.T, line string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.CommandContext(t.Context(), "bash", "-c", line).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return string(out)
	}
	words := shellWords(line)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range words {
		switch {
		case strings.HasPrefix(w, "http://"):
			if req.URL, err = req.URL.Parse(w); err != nil {
				t.Fatal(err)
			}
		case w == "-H":
			name, value, _ := strings.Cut(words[i+1], ": ")
			req.Header.Set(name, value)
		case w == "-d":
			req.Body = io.NopCloser(strings.NewReader(words[i+1]))
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// shellWords splits a line at spaces outside single quotes.
func shellWords(line string) []string {
	quoted := false
	words := strings.FieldsFunc(line, func(r rune) bool {
		if r == '\'' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i := range words {
		words[i] = strings.Trim(words[i], "'")
	}
	return words
}

func TestWithoutConfigurationEveryProblemIsListed(t *testing.T) {
	t.Parallel()
	p := launch(t, []string{"LLM_SLTOS=3"})
	if code := p.exit(); code != 2 {
		t.Errorf("exit status %d, want 2", code)
	}
	said := p.Stderr.String()
	for _, want := range []string{"4 problems", "LLM_VENDOR_URL", "LLM_REDIS_URL", "LLM_API_KEYS_FILE",
		"did you mean LLM_SLOTS?", "--dev"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in: %s", want, said)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args, env      []string
		code           int
		stdout, stderr string
	}{
		"config help":  {args: []string{"-config-help"}, stdout: "LLM_VENDOR_URL"},
		"version":      {args: []string{"-version"}, stdout: "\n"},
		"help":         {args: []string{"-help"}, stderr: "-dev"},
		"unknown flag": {args: []string{"-devv"}, code: 2, stderr: "not defined: -devv"},
		"argument":     {args: []string{"dev"}, code: 2, stderr: `["dev"]`},
		"check, bad":   {args: []string{"-check"}, code: 2, stderr: "LLM_VENDOR_URL"},
		"check, good": {args: []string{"-check"},
			env: []string{"LLM_VENDOR_URL=http://v/", "LLM_REDIS_URL=redis://r", "LLM_API_KEYS_FILE=f"}},
		"missing file": {env: []string{"LLM_VENDOR_URL=http://v/", "LLM_REDIS_URL=redis://127.0.0.1:1",
			"LLM_API_KEYS_FILE=/nowhere"}, code: 1, stderr: "/nowhere"},
		"taken address": {args: []string{"--dev"}, env: []string{"LLM_ADDR=256.0.0.1:1"},
			code: 1, stderr: "Choose another address with LLM_ADDR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := launch(t, c.env, c.args...)
			if code := p.exit(); code != c.code {
				t.Errorf("exit status %d, want %d", code, c.code)
			}
			if out := p.Stdout.String(); !strings.Contains(out, c.stdout) {
				t.Errorf("standard output: %q", out)
			}
			if out := p.Stderr.String(); !strings.Contains(out, c.stderr) {
				t.Errorf("standard error: %q", out)
			}
		})
	}
}

func TestAdminPort(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--dev")
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/debug/pprof/": 200,
		"/": 200, "/debug/live": 200, "/llm": 404} {
		if code, _ := get(t, p.Admin+path); code != want {
			t.Errorf("admin %s: %d, want %d", path, code, want)
		}
	}
	for path, want := range map[string]int{"/health": 200, "/ready": 200, "/docs": 200, "/openapi.json": 200, "/": 200,
		"/debug/live": 200, "/metrics": 404, "/debug/pprof/": 404} {
		if code, _ := get(t, p.URL+path); code != want {
			t.Errorf("main %s: %d, want %d", path, code, want)
		}
	}
	if code, _ := get(t, start(t, []string{"LLM_PPROF=false"}, "--dev").Admin+"/debug/pprof/"); code != 404 {
		t.Errorf("pprof without being asked for: %d", code)
	}
}

// TestProductionSettings runs the binary with the settings of a chart and a real Redis, and checks its log.
func TestProductionSettings(t *testing.T) {
	t.Parallel()
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sk-hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"usage":{"prompt_tokens":3,"completion_tokens":4}}`)
	}))
	t.Cleanup(vendor.Close)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_LOG_LEVEL=debug",
		"LLM_DRAIN_DELAY=0s", "GOMEMLIMIT=64MiB"))
	code, _, err := post(t.Context(), http.DefaultClient, p.URL, `{"model":"m"}`)
	if code != 200 || err != nil {
		t.Errorf("got %d, %v", code, err)
	}
	p.says("buffered answers over 30s fail (LLM_CALL_TIMEOUT)")
	if _, metrics := get(t, p.Admin+"/metrics"); !strings.Contains(metrics, "\ngo_gc_gogc_percent 400\n") {
		t.Error("the collector is not calmer under a memory limit")
	}
	for url, want := range map[string]int{p.Admin + "/": 200, p.URL + "/": 404, p.URL + "/debug/live": 404} {
		if code, _ := get(t, url); code != want {
			t.Errorf("the live page: %s: %d, want %d", url, code, want)
		}
	}
	p.terminate()
	if code := p.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	lines := 0
	for _, r := range p.records() {
		if r["msg"] == "request" && r["route"] == "/llm" {
			lines++
			if r["user"] != "tester" || r["tier"] != "enterprise" || r["status"] != 200.0 || r["request_id"] == nil ||
				r["completion_tokens"] != 4.0 {
				t.Errorf("access log: %v", r)
			}
		}
	}
	if lines != 1 {
		t.Errorf("%d access log lines for one request", lines)
	}
	if said := p.Stderr.String(); strings.Contains(said, "hunter2") || strings.Contains(said, testKey) {
		t.Errorf("a secret was logged: %s", said)
	}
}

// TestSlowBodyIsCutOff: a client that sends its body byte by byte must not hold a place for long.
func TestSlowBodyIsCutOff(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"LLM_READ_TIMEOUT=300ms"}, "--dev")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := "POST /llm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev-pro\r\n" +
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
	if _, err := io.WriteString(conn, head+`{"model":`); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(await.Limit)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("the connection is still open: %v", err)
	}
	if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
		t.Errorf("want the client's fault, got %s", answer)
	}
}

const testKey = "key-hunter3"

// production is a whole configuration without --dev.
func production(tb testing.TB, rdb *redistest.Server, vendor string, more ...string) []string {
	tb.Helper()
	keys := filepath.Join(tb.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(hashOf(testKey)+" tester enterprise\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return append([]string{
		"LLM_REDIS_URL=" + rdb.URL(), "LLM_REDIS_BUDGET=5s", "LLM_VENDOR_URL=" + vendor,
		"LLM_VENDOR_API_KEY=sk-hunter2",
		"LLM_API_KEYS_FILE=" + keys, "LLM_TIER_RATES=free:10,enterprise:100000", "LLM_TIER_CONCURRENCY=enterprise:0",
		"LLM_JOBS_LOOKS=0", "LLM_QUOTA_REQUESTS=100000", "LLM_QUOTA_TOKENS=100000000",
	}, more...)
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// TestAddressInUse: the second server on a port names the setting to change.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := launch(t, []string{"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=" + l.Addr().String()}, "--dev")
	if code := p.exit(); code != 1 || !strings.Contains(p.Stderr.String(), "LLM_ADMIN_ADDR") {
		t.Errorf("exit status %d, said %s", code, p.Stderr)
	}
}
