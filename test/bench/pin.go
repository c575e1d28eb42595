//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// pinned is the environment variable of a bench that does not use the first core. Its value is the number of cores.
const pinned = "BENCH_CORES"

// pin starts this program again on all cores except the first. It does nothing on a machine with one core. A
// measurement across cores does not call it.
func pin(acrossCores bool) error {
	if os.Getenv(pinned) != "" || runtime.NumCPU() < 2 || acrossCores {
		return nil
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return fmt.Errorf("%w: it is part of util-linux", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := append([]string{taskset, "-c", fmt.Sprintf("1-%d", runtime.NumCPU()-1), self}, os.Args[1:]...)
	return syscall.Exec(taskset, argv, append(os.Environ(), fmt.Sprintf("%s=%d", pinned, runtime.NumCPU())))
}

// cores is the number of cores of this machine.
func cores() int {
	n, err := strconv.Atoi(os.Getenv(pinned))
	if err != nil {
		return runtime.NumCPU()
	}
	return n
}

// onItsCores makes a command run on the first n cores.
func onItsCores(n int, argv []string) []string {
	if cores() < 2 {
		return argv
	}
	return append([]string{"taskset", "-c", fmt.Sprintf("0-%d", n-1)}, argv...)
}
