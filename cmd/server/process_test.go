package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
)

// The tests run the real binary, as a pod does.

// TestMain builds the binary once, with the race detector when the tests have it.
func TestMain(m *testing.M) {
	os.Exit(proctest.WithBinary("..", "./server", func(path string) int {
		binary = path
		return runAndLook(m)
	}))
}

var binary string

func runAndLook(m *testing.M) int {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// process is one running server.
type process struct {
	*proctest.Process
	tb testing.TB
}

// start runs the server on free ports with the given LLM_ settings ("NAME=value") and waits until it serves.
func start(tb testing.TB, settings []string, args ...string) *process {
	tb.Helper()
	p := launch(tb, append([]string{"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0"}, settings...), args...)
	if err := p.Serving(); err != nil {
		tb.Fatal(err)
	}
	return p
}

// launch runs the server and does not wait.
func launch(tb testing.TB, env []string, args ...string) *process {
	tb.Helper()
	env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tb.TempDir(), "GORACE=atexit_sleep_ms=0"}, env...)
	return &process{proctest.Launch(tb, proctest.Program{Path: binary, Args: args, Env: env}), tb}
}

func (p *process) signal(s os.Signal) {
	p.tb.Helper()
	if err := p.Signal(s); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *process) terminate() {
	p.tb.Helper()
	if err := p.Terminate(); err != nil {
		p.tb.Fatal(err)
	}
}

// exit waits for the end and returns the exit status, -1 when a signal ended it.
func (p *process) exit() int {
	p.tb.Helper()
	code, err := p.Wait()
	if err != nil {
		p.tb.Fatal(err)
	}
	return code
}

// says waits until the server has written a line that contains text to its standard error.
func (p *process) says(text string) {
	p.tb.Helper()
	if _, err := p.Stderr.Line(await.Limit, text); err != nil {
		p.tb.Fatal(err)
	}
}

// records are the log lines, each of which must be a JSON object.
func (p *process) records() []map[string]any {
	p.tb.Helper()
	var all []map[string]any
	for lines := bufio.NewScanner(strings.NewReader(p.Stderr.String())); lines.Scan(); {
		r := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			p.tb.Errorf("not a JSON log line: %s", lines.Text())
		}
		all = append(all, r)
	}
	return all
}

// get fetches url and returns status and body.
func get(tb testing.TB, url string) (int, string) {
	tb.Helper()
	res, err := http.Get(url)
	if err != nil {
		tb.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return res.StatusCode, string(body)
}
