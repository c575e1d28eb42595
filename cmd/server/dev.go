package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/apidocs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// devTiers are the tiers that get a well-known key: dev-free, dev-pro and dev-enterprise.
const devTiers = "free pro enterprise"

// devEnvironment adds to environ what a newcomer does not have yet: an embedded Redis, a simulated vendor, well-known
// keys, and limits that are low enough to be reached. Settings that environ has already stay. Because the keys are well
// known, the service listens on the loopback interface only.
//
// The breaker's pauses are short, so that a newcomer does not wait long for a probe: with the service's own defaults a
// breaker whose first probe fails stays open for 15 s or longer. With the embedded Redis there is one pod, so its share
// of the contract while Redis is away is all of it.
func devEnvironment(ctx context.Context, environ []string, cleanup *closers) ([]string, error) {
	settings := []string{
		"ADDR=localhost:8080", "ADMIN_ADDR=localhost:9090", "PPROF=true", "DRAIN_DELAY=0s",
		"VENDOR_NAME=simulator", "VENDOR_API_KEY=sk-simulated", "REDIS_BUDGET=500ms",
		"QUOTA_REQUESTS=3000", "QUOTA_TOKENS=1000000", "PACER_RATE=50", "PLAYGROUND=true", "BREAKER_OPEN=2s",
	}
	given := func(name string) bool { // by value or as a file
		value, _ := lookupIn(environ)("LLM_" + name)
		file, _ := lookupIn(environ)("LLM_" + name + "_FILE")
		return value+file != ""
	}
	for _, part := range []struct {
		name  string
		start func(context.Context, *closers) (string, error)
	}{
		{"REDIS_URL", startRedis},
		{"VENDOR_URL", startVendor},
		{"API_KEYS_FILE", writeKeys},
	} {
		if given(part.name) {
			continue
		}
		value, err := part.start(ctx, cleanup)
		if err != nil {
			return nil, fmt.Errorf("--dev: %w", err)
		}
		settings = append(settings, part.name+"="+value)
		if part.name == "REDIS_URL" {
			settings = append(settings, "QUOTA_SHARES=1", "JOBS_MEMORY=268435456")
		}
	}
	all := make([]string, 0, len(settings)+len(environ))
	for _, s := range settings {
		name, _, _ := strings.Cut(s, "=")
		if !given(name) {
			all = append(all, "LLM_"+s)
		}
	}
	return append(all, environ...), nil
}

// startVendor runs a vendor that answers like a real one, on a free port of the loopback interface.
func startVendor(ctx context.Context, cleanup *closers) (string, error) {
	latency, err := vendorsim.ParseLatency("200ms..600ms")
	if err != nil {
		return "", err
	}
	sim, err := vendorsim.New(vendorsim.Config{Latency: latency, TokensPerSecond: 30}) // slow enough to watch a stream
	if err != nil {
		return "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: headerTimeout}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	cleanup.add("simulated vendor", time.Second, func(context.Context) error {
		defer serving.Wait()
		return server.Close()
	})
	return "http://" + listener.Addr().String() + llm.Base, nil
}

// writeKeys writes a file with one well-known key for each tier.
func writeKeys(_ context.Context, cleanup *closers) (string, error) {
	dir, err := os.MkdirTemp("", "spillway-dev")
	if err != nil {
		return "", err
	}
	cleanup.add("dev keys", time.Second, withoutContext(func() error { return os.RemoveAll(dir) }))
	var lines strings.Builder
	for tier := range strings.FieldsSeq(devTiers) {
		fmt.Fprintf(&lines, "%x dev-%s %s\n", sha256.Sum256([]byte("dev-"+tier)), tier, tier)
	}
	path := filepath.Join(dir, "keys")
	return path, os.WriteFile(path, []byte(lines.String()), 0o600)
}

// devTrial is what the pages of the API show: the live page, and those of the well-known keys that a key file has. A
// file that is not writeKeys' may have none.
func devTrial(keysFile string) (apidocs.Trial, error) {
	lines, err := os.ReadFile(keysFile)
	if err != nil {
		return apidocs.Trial{}, fmt.Errorf("--dev: %w", err)
	}
	trial := apidocs.Trial{Live: true}
	for tier := range strings.FieldsSeq(devTiers) {
		key := "dev-" + tier
		if bytes.Contains(lines, fmt.Appendf(nil, "%x ", sha256.Sum256([]byte(key)))) {
			trial.Keys = append(trial.Keys, key)
		}
	}
	return trial, nil
}

// devPost is the command that posts a body, which is to follow.
func devPost(svc *service) string {
	return "curl -sS http://" + reachable(svc.addr) +
		"/llm -H 'Authorization: Bearer dev-pro' -H 'Content-Type: application/json'"
}

// devBody is a body for it.
const devBody = `-d '{"model":"demo","messages":[{"role":"user","content":"Hello!"}]}'`

// welcome prints the first commands to try.
func welcome(w io.Writer, svc *service, vendor string) {
	base, admin, post := "http://"+reachable(svc.addr), "http://"+reachable(svc.adminAddr), devPost(svc)
	fmt.Fprintf(w, `
Watch it live: %[3]s/

Spillway runs with an embedded Redis, a simulated vendor and well-known keys. Nothing here is for production.

  %[1]s %[6]s

as a stream:

  %[2]s -N -d '{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'

Other keys: dev-free (10 requests a minute, the first to be shed) and dev-enterprise (1000, the last).
Browser: %[3]s/docs   Metrics: %[4]s/metrics   Stop: Ctrl-C
Let the vendor fail:  curl -X POST %[5]s/faults -d '{"kind":"status","status":503}'
Let it work again:    curl -X DELETE %[5]s/faults

`, post, post, base, admin, vendor, devBody)
}

// reachable returns the host and port at which a client on this machine reaches addr.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() {
		return net.JoinHostPort("localhost", cmp.Or(port, "8080"))
	}
	return addr.String()
}
