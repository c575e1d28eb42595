package proctest

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

// spare is the time between the end of a command and the limit of go test: enough to kill what runs and to say so.
const spare = 10 * time.Second

// Command is a command of a test. It and all that it starts are killed when the test ends, and shortly before go test
// gives the test up.
func Command(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	ctx := tb.Context()
	if t, ok := tb.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, limited := t.Deadline(); limited {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, at.Add(-spare))
			tb.Cleanup(cancel)
		}
	}
	cmd := exec.CommandContext(ctx, name, args...)
	endWithParent(cmd)
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = spare / 2 // for a process that has left the group and holds the output
	return cmd
}
