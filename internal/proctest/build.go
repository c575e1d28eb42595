package proctest

import (
	"fmt"
	"os/exec"
	"runtime/debug"
)

// Race reports whether this program was built with the race detector.
func Race() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// GoArgs are the arguments of a go command that builds: verb, then what makes it use the packages that the caller was built
// from, instead of compiling all of them once more, then the rest. A profile would have every package compiled once more
// too.
func GoArgs(verb string, rest ...string) []string {
	args := []string{verb}
	if verb == "build" {
		args = append(args, "-pgo=off")
	}
	if Race() {
		args = append(args, "-race")
	}
	return append(args, rest...)
}

// Build builds a package, given as a path in dir, into the file at path.
func Build(dir, pkg, path string) error {
	build := exec.Command("go", GoArgs("build", "-o", path, pkg)...)
	build.Dir = dir
	endWithParent(build)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}
