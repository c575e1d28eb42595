package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The tests drive the real binary: what they prove is what a pod does.

// TestMain builds the binary once, with the race detector when the tests have it.
func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

var binary string

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "server")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "server")
	args := []string{"build", "-pgo=off", "-o", binary} // the profile would have every dependency compiled once more
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				args = append(args, "-race")
			}
		}
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the server: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// process is one running server.
type process struct {
	tb     testing.TB
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	exited chan struct{} // closed when it has ended; then err is set
	err    error

	url, admin string // with scheme, known once it serves
}

// start runs the server on free ports with the given LLM_ settings ("NAME=value") and waits until it serves.
func start(tb testing.TB, settings []string, args ...string) *process {
	tb.Helper()
	p := launch(tb, append([]string{"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0"}, settings...), args...)
	line := p.stderr.wait(tb, p.exited, `"msg":"serving"`)
	var at struct {
		Addr      string `json:"addr"`
		AdminAddr string `json:"admin_addr"`
	}
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		tb.Fatal(err)
	}
	p.url, p.admin = "http://"+at.Addr, "http://"+at.AdminAddr
	return p
}

// launch runs the server and waits for nothing.
func launch(tb testing.TB, env []string, args ...string) *process {
	tb.Helper()
	p := &process{tb: tb, cmd: exec.Command(binary, args...), stdout: newOutput(), stderr: newOutput(), exited: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tb.TempDir(), "GORACE=atexit_sleep_ms=0"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.exited) }()
	tb.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if tb.Failed() {
			tb.Logf("stdout:\n%s\nstderr:\n%s", p.stdout, p.stderr)
		}
	})
	return p
}

func (p *process) signal(s os.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *process) terminate() { p.tb.Helper(); p.signal(syscall.SIGTERM) }

// exit waits for the end and returns the exit status, -1 when a signal ended it.
func (p *process) exit() int {
	p.tb.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.tb.Fatal("the server does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// patience is how long a test waits for what must happen; how fast it happens is not its affair.
const patience = 60 * time.Second

// output collects what a process writes and lets a test wait for a line of it.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	wrote chan struct{} // closed and replaced with every write
}

func newOutput() *output { return &output{wrote: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.wrote)
	o.wrote = make(chan struct{})
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait returns the first whole line that contains text.
func (o *output) wait(tb testing.TB, ended <-chan struct{}, text string) string {
	tb.Helper()
	late := time.After(patience)
	for {
		o.mu.Lock()
		all, wrote := o.buf.String(), o.wrote
		o.mu.Unlock()
		for line := range strings.Lines(all) {
			if strings.Contains(line, text) && strings.HasSuffix(line, "\n") {
				return strings.TrimSpace(line)
			}
		}
		select {
		case <-wrote:
		case <-ended:
			tb.Fatalf("the server ended before it said %q: %s", text, o)
		case <-late:
			tb.Fatalf("the server does not say %q", text)
		}
	}
}

// records are the log lines, each of which must be a JSON object.
func (p *process) records() []map[string]any {
	p.tb.Helper()
	var all []map[string]any
	for lines := bufio.NewScanner(strings.NewReader(p.stderr.String())); lines.Scan(); {
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
