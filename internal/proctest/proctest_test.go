package proctest_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
)

// shell is a program of a few lines.
func shell(script string) proctest.Program {
	return proctest.Program{Path: "/bin/sh", Args: []string{"-c", script}}
}

// runs reports whether a process is there.
func runs(pid int) bool { return syscall.Kill(pid, 0) == nil }

// grandchild is the process that a script has started in the background, and whose number it prints.
func grandchild(t *testing.T, p *proctest.Process) int {
	t.Helper()
	line, err := p.Stdout.Line(await.Limit, "")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(line)
	if err != nil || !runs(pid) {
		t.Fatalf("process %q does not run: %v", line, err)
	}
	return pid
}

const startsAnother = "sleep 1000 & echo $!; wait"

func TestKillEndsWhatTheProgramStarted(t *testing.T) {
	t.Parallel()
	p := proctest.Launch(t, shell(startsAnother))
	pid := grandchild(t, p)
	p.Kill()
	await.True(t, "the program's own child ends", func() bool { return !runs(pid) })
	if code, err := p.Wait(); code != -1 || err != nil {
		t.Errorf("exit status %d, %v", code, err)
	}
}

//nolint:tparallel // what follows the inner test needs its end
func TestTheEndOfATestEndsItsProcesses(t *testing.T) {
	t.Parallel()
	var pid int
	t.Run("test", func(t *testing.T) { pid = grandchild(t, proctest.Launch(t, shell(startsAnother))) })
	await.True(t, "the program's own child ends", func() bool { return !runs(pid) })
}

// The command's output is a pipe, so Wait lasts until every process that holds it has ended.
//
//nolint:tparallel // what follows the inner test needs its end
func TestACommandEndsWithItsTestWithAllThatItStarted(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	t.Run("test", func(t *testing.T) {
		cmd := proctest.Command(t, "/bin/sh", "-c", startsAnother)
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- cmd.Wait() }()
	})
	if await.Value(t, "the command ends", ended) == nil {
		t.Error("it ended by itself")
	}
}

func TestOutputKeepsWholeLines(t *testing.T) {
	t.Parallel()
	program := shell("echo one; echo skip; printf two; printf three >&2")
	program.Keep = func(line string) bool { return !strings.HasPrefix(line, "skip") }
	p := proctest.Launch(t, program)
	if code, err := p.Wait(); code != 0 || err != nil {
		t.Errorf("exit status %d, %v", code, err)
	}
	if got := p.Stdout.String(); got != "one\ntwo" {
		t.Errorf("stdout %q", got)
	}
	if line, err := p.Stderr.Line(await.Limit, "hree"); line != "three" || err != nil {
		t.Errorf("stderr %q, %v", line, err)
	}
	if line, err := p.Stdout.Line(await.Limit, "four"); err == nil {
		t.Errorf("a line that was never written: %q", line)
	}
}

func TestServingSaysWhereAPodListens(t *testing.T) {
	t.Parallel()
	p := proctest.Launch(t,
		shell(`echo '{"msg":"serving","addr":"127.0.0.1:1","admin_addr":"127.0.0.1:2"}' >&2; sleep 1000`))
	if err := p.Serving(); err != nil || p.URL != "http://127.0.0.1:1" || p.Admin != "http://127.0.0.1:2" {
		t.Errorf("%s, %s, %v", p.URL, p.Admin, err)
	}
	broken := proctest.Launch(t, shell("echo no port >&2"))
	if err := broken.Serving(); err == nil || !strings.Contains(err.Error(), "no port") {
		t.Errorf("%v does not say what the program wrote", err)
	}
}

func TestMetricIsASum(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP a one\na{x=\"1\"} 2\na{x=\"2\"} 3\nab 100\nb 7\n"))
	}))
	defer server.Close()
	p := &proctest.Process{Admin: server.URL}
	for name, want := range map[string]float64{"a": 5, `a{x="2"}`: 3, "b": 7, "c": 0} {
		if got, err := p.Metric(name); got != want || err != nil {
			t.Errorf("%s is %v (%v), want %v", name, got, err, want)
		}
	}
}
