//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
)

// process is a program that is measured.
type process struct {
	*proctest.Process
	log *os.File
}

// launch runs a program with its output in a file of dir, so that the output costs this program nothing.
func launch(dir, name string, env []string, argv ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, err
	}
	p := &process{log: log}
	p.Process, err = proctest.Start(proctest.Program{Path: path, Args: argv[1:],
		Env: append(os.Environ(), env...), Log: log})
	return p, err
}

// listens waits until the program listens on addr. It stops a program that does not.
func (p *process) listens(addr string) error {
	ended := false
	_, err := await.Poll(await.Limit, "it listens on "+addr, func() (bool, error) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return true, conn.Close()
		}
		select {
		case <-p.Exited():
			ended = true
		default:
		}
		return ended, nil
	})
	if err == nil && !ended {
		return nil
	}
	p.stop()
	out, _ := os.ReadFile(p.log.Name())
	return fmt.Errorf("%s: nothing listens on %s: %s", p.log.Name(), addr, bytes.TrimSpace(out))
}

// stop ends the program at once.
func (p *process) stop() {
	p.Kill()
	_ = p.log.Close()
}

// cpu is the processor time of the program so far, summed over its threads, because /proc/PID/stat counts in ticks of
// 10 ms.
func (p *process) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID()))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		ns, err := strconv.ParseInt(strings.Fields(string(data))[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// resident is the program's own resident memory in bytes, without pages of files.
func (p *process) resident() (int64, error) { return p.Memory("RssAnon") }

// freeAddr is a loopback address that no process listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
