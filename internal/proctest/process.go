package proctest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// Program is what Start runs.
type Program struct {
	Path string
	Args []string
	Env  []string               // "NAME=value", all of it: nothing is inherited
	Keep func(line string) bool // the lines of output to keep; nil keeps all
	// Takes all output, at no cost to the caller, instead of Stdout and Stderr; nil: they do.
	Log *os.File
}

// Process is a program that runs.
type Process struct {
	Stdout, Stderr *Output
	URL, Admin     string // where a pod listens, with scheme; Serving sets them

	cmd    *exec.Cmd
	exited chan struct{}
}

// Start starts a program. Kill ends it; so does the end of this program.
func Start(program Program) (*Process, error) {
	p := &Process{
		Stdout: newOutput(program.Keep), Stderr: newOutput(program.Keep),
		cmd: exec.Command(program.Path, program.Args...), exited: make(chan struct{}),
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append([]string{}, program.Env...), p.Stdout, p.Stderr
	if program.Log != nil {
		p.cmd.Stdout, p.cmd.Stderr = program.Log, program.Log
	}
	endWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // ExitCode tells
		p.Stdout.close()
		p.Stderr.close()
		close(p.exited)
	}()
	return p, nil
}

// Launch is Start for a test, with which the process ends. A test that fails logs what the process wrote.
func Launch(tb testing.TB, program Program) *Process {
	tb.Helper()
	p, err := Start(program)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.Kill()
		if tb.Failed() {
			tb.Logf("%s\nstdout:\n%s\nstderr:\n%s", program.Path, p.Stdout, p.Stderr)
		}
	})
	return p
}

// Serving waits until a pod serves, and sets URL and Admin.
func (p *Process) Serving() error {
	line, err := p.Stderr.Line(await.Limit, `"msg":"serving"`)
	if err != nil {
		return fmt.Errorf("%w:\n%s", err, p.Stderr)
	}
	var at struct {
		Addr      string `json:"addr"`
		AdminAddr string `json:"admin_addr"`
	}
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		return fmt.Errorf("where the pod serves: %w", err)
	}
	p.URL, p.Admin = "http://"+at.Addr, "http://"+at.AdminAddr
	return nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process, and to nothing that it started.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Terminate asks the process to end, as a kubelet does. Wait waits until it has.
func (p *Process) Terminate() error { return p.Signal(syscall.SIGTERM) }

// Kill ends the process with all that it started, as a node that fails would, and waits until it has ended.
func (p *Process) Kill() {
	_ = killGroup(p.PID()) // it may have ended already
	<-p.exited
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait waits until the process has ended, and returns its exit status: -1 when a signal ended it.
func (p *Process) Wait() (int, error) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(await.Limit):
		return 0, fmt.Errorf("the process has not ended within %v", await.Limit)
	}
}
