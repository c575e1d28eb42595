package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is a lookup of variables.
func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

// The process prints its address, answers there, and ends cleanly after a signal.
func TestRun(t *testing.T) {
	t.Parallel()
	out, in := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, environment(nil), []string{"-addr", "127.0.0.1:0"}, in, io.Discard) }()
	line := make([]byte, 200)
	n, err := out.Read(line)
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/v1/chat/completions`).FindString(string(line[:n]))
	if err != nil || url == "" {
		t.Fatalf("it said %q, %v", line[:n], err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK ||
		!strings.Contains(string(body), "chat.completion") {
		t.Errorf("%d %s, %v", res.StatusCode, body, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestFlagsAndEnvironment(t *testing.T) {
	t.Parallel()
	vars := map[string]string{
		"VENDORSIM_ADDR": ":1234", "VENDORSIM_LATENCY": "100ms..200ms",
		"VENDORSIM_CONTRACT_REQUESTS": "600", "VENDORSIM_CONTRACT_WINDOW": "6s",
		"VENDORSIM_ENFORCE": "true", "VENDORSIM_MODELS": "a, b", "VENDORSIM_SEED": "", // empty is as good as absent
	}
	addr, cfg, err := parse(
		environment(vars),
		[]string{"-contract-requests", "60", "-keep-calls=-1", "-hidden-tokens=7"},
		io.Discard,
	)
	if err != nil || addr != ":1234" {
		t.Fatal(addr, err)
	}
	if len(cfg.Models) != 2 || cfg.Models[1] != "b" || cfg.Tokens.Hidden != 7 {
		t.Errorf("got %+v", cfg)
	}
	window := vendorsim.Duration(6e9)
	if want := (vendorsim.Contract{Requests: 60, Window: window, Enforce: true}); cfg.Contract != want ||
		cfg.Latency.String() != "100ms..200ms" ||
		cfg.KeepCalls != -1 ||
		cfg.TokensPerSecond != 50 {
		t.Errorf("got %+v", cfg)
	}
}

// A wrong flag is an error that names it. A request for help is not an error.
func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for says, tt := range map[string]struct {
		vars map[string]string
		args []string
		code int
	}{
		"lognormal:300ms,2s":        {args: []string{"-latency", "fast"}, code: 1},
		"VENDORSIM_TOKENS":          {vars: map[string]string{"VENDORSIM_TOKENS": "many"}, code: 1},
		"takes only flags":          {args: []string{"now"}, code: 1},
		"no contract to enforce":    {args: []string{"-enforce"}, code: 1},
		"address":                   {args: []string{"-addr", "nonsense"}, code: 1},
		"VENDORSIM_CONTRACT_REQUES": {args: []string{"-help"}, code: 0},
	} {
		var stderr strings.Builder
		err := run(t.Context(), environment(tt.vars), tt.args, io.Discard, &stderr)
		if code := exit(err, &stderr); code != tt.code || !strings.Contains(stderr.String(), says) ||
			errors.Is(err, flag.ErrHelp) == (tt.code == 1) {
			t.Errorf("%v %v: code %d, %s", tt.vars, tt.args, code, stderr.String())
		}
	}
}
