//go:build !linux

package redistest

import "syscall"

// dieWithParent has no equivalent here: a crashed test binary may leave a server behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
