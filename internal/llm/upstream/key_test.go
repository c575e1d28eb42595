package upstream_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// TestKeyFileIsFollowed: a rotated key is used from the next call on, and a file that cannot be used changes nothing.
func TestKeyFileIsFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		t.Helper()
		llmtest.OK(t, os.WriteFile(path, []byte(text), 0o600))
	}
	var got string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("X-Api-Key") + r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	})
	write("sk-one\n")
	v := vendorAt(t, url, func(c *chain.Config) {
		c.Vendor.APIKey, c.Vendor.APIKeyFile, c.Vendor.AuthHeader, c.Vendor.AuthScheme = "", path, "x-api-key", "none"
	})
	send := func() string {
		t.Helper()
		resp, out := v.Send(t.Context(), llmtest.NewCall())
		llmtest.OK(t, out.Err)
		resp.Close()
		return got
	}
	if key := send(); key != "sk-one" {
		t.Errorf("called with %q", key)
	}
	write("sk-two")
	await.True(t, "the new key is used", func() bool { return send() == "sk-two" })
	write("")
	await.True(t, "a trouble", func() bool { return strings.Contains(v.Trouble(), "the file is empty") })
	if key := send(); key != "sk-two" {
		t.Errorf("called with %q after the file became empty", key)
	}
}

// TestKeyFileMustBeGoodAtTheStart: the error names the file and does not repeat what is in it.
func TestKeyFileMustBeGoodAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "\n", "two-lines": "sk-one\nsk-two"} {
		llmtest.OK(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for _, name := range []string{"empty", "two-lines", "missing"} {
		cfg := llmtest.Config()
		cfg.Vendor.APIKey, cfg.Vendor.APIKeyFile = "", filepath.Join(dir, name)
		log := slog.New(slog.DiscardHandler)
		_, err := upstream.New(cfg.Vendor, upstream.Times{Call: time.Second}, cfg.Slots, log, prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), cfg.Vendor.APIKeyFile) || strings.Contains(err.Error(), "sk-") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
