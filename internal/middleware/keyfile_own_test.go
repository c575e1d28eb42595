package middleware_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/middleware"
)

// TestKeysOfTheServiceItself are in force beside those of the file, whatever that says later.
func TestKeysOfTheServiceItself(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, keyLine("one", "ada", "pro"))
	keys, err := middleware.NewKeys(path, config().TierRates, log, prometheus.NewRegistry(),
		keyLine("own-1", "page-1", "pro"), keyLine("own-2", "page-2", "free"))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	expect := expectKeys(t, keys)
	expect("one", http.StatusOK)
	expect("own-1", http.StatusOK)
	next := path + ".next"
	write(t, next, keyLine("two", "ada", "pro"))
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
	logged.await(t, "API keys reloaded")
	expect("one", http.StatusUnauthorized)
	expect("own-2", http.StatusOK)

	if _, err := middleware.NewKeys(path, config().TierRates, log, prometheus.NewRegistry(), "no key"); err == nil {
		t.Error("a line that is none was taken")
	}
}
