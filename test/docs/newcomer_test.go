package docs

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// server is the path of the server program. TestMain builds it.
var server string

func TestMain(m *testing.M) {
	os.Exit(proctest.WithBinary(root, "./cmd/server", func(path string) int {
		server = path
		return m.Run()
	}))
}

// TestNewcomer does the first steps of the README: make run, then the commands with curl. The program is started
// without make, so that it is not compiled once more.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	dry := proctest.Command(t, "make", "--no-print-directory", "-n", "run") // make test starts this from a make
	dry.Dir = root
	out, err := dry.CombinedOutput()
	want := "go build -o bin/%[1]s-dev ./cmd/%[1]s && exec bin/%[1]s-dev --dev\n"
	want = fmt.Sprintf(want, filepath.Base(server))
	if err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("make run is %q, %v, want %q", out, err, want)
	}
	pod := proctest.Launch(t, proctest.Program{Path: server, Args: []string{"--dev"}, Env: []string{
		"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0",
	}})
	if err := pod.Serving(); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range runBy(t, "TestNewcomer") {
		ran++
		curl := proctest.Command(t, "bash", "-ec", strings.ReplaceAll(c.text, "http://localhost:8080", pod.URL))
		out, err := curl.CombinedOutput()
		answered := strings.Contains(string(out), "You said: Hello!")
		laterJob := strings.Contains(c.text, "respond-async") && strings.Contains(string(out), "202 Accepted")
		if err != nil || !answered && !laterJob {
			t.Errorf("%s: %s\n%v\n%s", c.page, c.text, err, out)
		}
	}
	if ran < 2 {
		t.Errorf("%d lines ran", ran)
	}
	for _, page := range []string{"/", "/docs", "/redoc"} { // which the README names
		if status := statusOf(t, pod.URL+page, ""); status != http.StatusOK {
			t.Errorf("%s: %d", page, status)
		}
	}
}

// TestRunningWithAVendor does the steps of docs/running.md with a simulated vendor: it makes a client's key and adds it
// to the file, and the service then serves the client.
func TestRunningWithAVendor(t *testing.T) {
	t.Parallel()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	var shell []string
	var start string
	for _, c := range runBy(t, "TestRunningWithAVendor") {
		if strings.HasPrefix(c.text, "LLM_") {
			start = c.text
		} else {
			shell = append(shell, c.text)
		}
	}
	dir := t.TempDir()
	keys := proctest.Command(t, "bash", "-ec", strings.Join(shell, "\n"))
	keys.Dir = dir
	said, err := keys.CombinedOutput()
	_, key, ok := strings.Cut(strings.TrimSpace(string(said)), "the client's key: ")
	if err != nil || !ok {
		t.Fatalf("%v\n%s", err, said)
	}
	settings, isServer := strings.CutSuffix(start, " bin/"+filepath.Base(server))
	if !isServer {
		t.Fatalf("this starts no service: %q", start)
	}
	env := strings.Fields(strings.NewReplacer(
		"https://api.openai.com/v1/chat/completions", sim.URL, "redis://localhost:6379", redistest.Start(t).URL(),
		"keys.txt", filepath.Join(dir, "keys.txt"),
	).Replace(settings))
	pod := proctest.Launch(t, proctest.Program{Path: server,
		Env: append(env, "LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0")})
	if err := pod.Serving(); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]int{key: http.StatusOK, "another": http.StatusUnauthorized} {
		if status := statusOf(t, pod.URL+"/llm", given); status != want {
			t.Errorf("with the key %q: %d, want %d", given, status, want)
		}
	}
}

// statusOf gets a page, or makes a call when there is a key, and returns the status.
func statusOf(t *testing.T, url, key string) int {
	t.Helper()
	method, body := http.MethodGet, ""
	if key != "" {
		method, body = http.MethodPost, `{"model":"demo","messages":[]}`
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
