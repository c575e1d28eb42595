package proctest

import (
	"os/exec"
	"syscall"
)

// endWithParent puts a command into a process group of its own, which killGroup ends, and has the kernel kill it when
// the program that started it has ended in any way.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }
