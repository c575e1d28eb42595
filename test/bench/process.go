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

// process is a program under measurement.
type process struct {
	*proctest.Process
	log *os.File
}

// start runs a program with its output in a file of dir, where it costs this program nothing, and waits until it listens on
// addr.
func start(dir, name, addr string, env []string, argv ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, err
	}
	p := &process{log: log}
	if p.Process, err = proctest.Start(proctest.Program{Path: path, Args: argv[1:], Env: append(os.Environ(), env...), Log: log}); err != nil {
		return nil, err
	}
	ended := false
	_, err = await.Poll(await.Limit, "it listens on "+addr, func() (bool, error) {
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
		return p, nil
	}
	p.stop()
	out, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s does not listen on %s: %s", name, addr, bytes.TrimSpace(out))
}

// stop ends the program at once.
func (p *process) stop() {
	p.Kill()
	_ = p.log.Close()
}

// cpu is the processor time the program has used so far, summed over its threads: /proc/PID/stat counts in ticks of 10 ms.
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

// resident is the program's memory in bytes: what it holds of its own, without shared file pages.
func (p *process) resident() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no RssAnon in /proc/%d/status", p.PID())
}

// freeAddr is a loopback address nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
