package proctest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

// most is how much of an output is kept: what a process writes in a long run must not fill the memory.
const most = 4 << 20

// Output is what a process has written so far, in whole lines. It is safe for concurrent use.
type Output struct {
	keep func(line string) bool

	mu    sync.Mutex
	part  []byte // a line that is not whole yet
	kept  bytes.Buffer
	wrote chan struct{} // closed and replaced with every line that is kept, and at the end
	ended bool
}

// NoRequests keeps all lines of a pod's log but the one of each request: a long run has many of them.
func NoRequests(line string) bool { return !strings.Contains(line, `"msg":"request"`) }

func newOutput(keep func(string) bool) *Output {
	return &Output{keep: keep, wrote: make(chan struct{})}
}

// Write takes what the process writes.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.part = append(o.part, b...)
	for {
		line, rest, whole := bytes.Cut(o.part, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		o.addLocked(string(line) + "\n")
		o.part = rest
	}
}

func (o *Output) addLocked(line string) {
	if o.kept.Len()+len(line) <= most && (o.keep == nil || o.keep(line)) {
		o.kept.WriteString(line)
		o.wakeLocked()
	}
}

func (o *Output) wakeLocked() { close(o.wrote); o.wrote = make(chan struct{}) }

// close marks the end. A last line without an end is a line too.
func (o *Output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.part) > 0 {
		o.addLocked(string(o.part))
		o.part = nil
	}
	o.ended = true
	o.wakeLocked()
}

// String is everything that is kept.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kept.String()
}

// Lines are the lines that contain text, in order, without their ends.
func (o *Output) Lines(text string) (found []string) {
	for line := range strings.Lines(o.String()) {
		if strings.Contains(line, text) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// Line waits for a line that contains text, and returns the first one. It fails when the process ends before, and after
// the limit.
func (o *Output) Line(limit time.Duration, text string) (string, error) {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		o.mu.Lock()
		wrote, ended := o.wrote, o.ended
		o.mu.Unlock()
		if found := o.Lines(text); len(found) > 0 {
			return found[0], nil
		}
		if ended {
			return "", fmt.Errorf("the process ended before it wrote %q", text)
		}
		select {
		case <-wrote:
		case <-late.C:
			return "", fmt.Errorf("the process has not written %q within %v", text, limit)
		}
	}
}
