//go:build !linux

package proctest

import (
	"os/exec"
	"syscall"
)

// endWithParent has no equivalent here for a crash: a test that crashes may leave a process behind.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }
