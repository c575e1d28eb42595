package redistest

import "syscall"

// dieWithParent makes the server end with a test binary that crashes.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
