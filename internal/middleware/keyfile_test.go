package middleware_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/middleware"
)

// mountVersion puts a version of a Secret into force.
func mountVersion(t *testing.T, mount, version, text string) {
	t.Helper()
	dir := filepath.Join(mount, version)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "keys"), text)
	next := filepath.Join(mount, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(mount, "..data")); err != nil {
		t.Fatal(err)
	}
}

// expectKeys returns a check of the status that a request with a key gets.
func expectKeys(t *testing.T, keys *middleware.Keys) func(key string, status int) {
	h := chain(served, middleware.RequestID(), middleware.Identity(config(), keys, fail))
	return func(key string, status int) {
		t.Helper()
		if got := post(h, "X-API-Key", key).Code; got != status {
			t.Errorf("%s: %d, want %d", key, got, status)
		}
	}
}

// A mounted Secret is a directory of links: keys -> ..data/keys, and ..data -> a directory that is new for each
// version. Kubernetes replaces ..data by renaming another link over it; the file that was opened is never written.
func TestKeysFollowAMountedSecret(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	mount := t.TempDir()
	update := func(version, text string) { mountVersion(t, mount, version, text) }
	update("..v1", keyLine("one", "ada", "pro"))
	path := filepath.Join(mount, "keys")
	if err := os.Symlink(filepath.Join("..data", "keys"), path); err != nil {
		t.Fatal(err)
	}
	keys, err := middleware.NewKeys(path, config().TierRates, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	expect := expectKeys(t, keys)
	expect("one", http.StatusOK)

	// The key is rotated: the new one works, the old one does not, though their number is the same.
	update("..v2", keyLine("two", "ada", "pro"))
	logged.await(t, "API keys reloaded")
	expect("two", http.StatusOK)
	expect("one", http.StatusUnauthorized)

	// A bad line costs its own key only: the others are in force, a removed one is refused, and the log names the line
	// without showing it.
	update("..v3", keyLine("three", "ada", "pro")+"a-key-in-clear ada pro\n")
	line := logged.await(t, "API keys reloaded in part")
	if text, _ := line["error"].(string); !strings.Contains(text, "line 2") ||
		strings.Contains(text, "a-key-in-clear") || line["level"] != "ERROR" {
		t.Errorf("logged %v", line)
	}
	expect("three", http.StatusOK)
	expect("two", http.StatusUnauthorized)
	if text := keys.Trouble(); !strings.Contains(text, "line 2") || !strings.Contains(text, "since ") {
		t.Errorf("Trouble says %q", text)
	}

	// A file without any key changes nothing, and says so.
	update("..v4", "# empty\n")
	if line := logged.await(t, "API keys not reloaded: what was read before stays in force"); line["level"] != "ERROR" {
		t.Errorf("logged %v", line)
	}
	expect("three", http.StatusOK)

	// The mended version is taken.
	update("..v5", keyLine("three", "ada", "enterprise"))
	logged.await(t, "API keys reloaded")
	expect("three", http.StatusOK)
	expect("two", http.StatusUnauthorized)
	if text := keys.Trouble(); text != "" {
		t.Errorf("Trouble says %q of a good file", text)
	}
}

// What is wrong with the file is a metric, with its age.
func TestStaleKeysAreAMetric(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	reg := prometheus.NewRegistry()
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, keyLine("one", "ada", "pro")+keyLine("two", "bob", "pro"))
	keys, err := middleware.NewKeys(path, config().TierRates, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	gauge := func(name string) float64 {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatalf("there is no %s", name)
		return 0
	}
	if n, bad, age := gauge("llm_api_keys"), gauge("llm_api_keys_bad_lines"),
		gauge("llm_api_keys_stale_seconds"); n != 2 || bad != 0 || age != 0 {
		t.Errorf("%v keys, %v bad lines, %v s old", n, bad, age)
	}
	write(t, path, keyLine("one", "ada", "pro")+"nonsense\n")
	logged.await(t, "API keys reloaded in part")
	if n, bad, age := gauge("llm_api_keys"), gauge("llm_api_keys_bad_lines"),
		gauge("llm_api_keys_stale_seconds"); n != 1 || bad != 1 || age <= 0 {
		t.Errorf("%v keys, %v bad lines, %v s old", n, bad, age)
	}
}

func TestKeysFollowAFileThatIsWrittenInPlace(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, keyLine("one", "ada", "pro"))
	keys, err := middleware.NewKeys(path, config().TierRates, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	write(t, path, keyLine("two", "ada", "pro"))
	logged.await(t, "API keys reloaded")
	h := chain(served, middleware.RequestID(), middleware.Identity(config(), keys, fail))
	if got := post(h, "X-API-Key", "two").Code; got != http.StatusOK {
		t.Errorf("answered %d", got)
	}
}

func TestNewKeysNamesEveryBadLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, "# a comment\n\n"+
		keyLine("one", "ada", "pro")+ // line 3 is right
		"abcd ada pro\n"+
		"only two\n"+
		keyLine("two", "bob", "platinum")+
		keyLine("one", "eve", "pro")+
		keyLine("three", "ada", "free"))
	_, err := middleware.NewKeys(path, config().TierRates, discard(), prometheus.NewRegistry())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"line 4: the first field is no SHA-256", "line 5: it has 2 fields", "line 6: the third field is no tier",
		"line 7: an earlier line has this key", `line 8: user "ada" has tier "pro" in an earlier line`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not said: %s\nin: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "line 3") {
		t.Errorf("line 3 is right: %v", err)
	}
}

func TestNewKeysNeedsAFile(t *testing.T) {
	t.Parallel()
	if _, err := middleware.NewKeys(filepath.Join(t.TempDir(), "missing"), config().TierRates, discard(),
		prometheus.NewRegistry()); err == nil {
		t.Error("a missing file was accepted")
	}
}
