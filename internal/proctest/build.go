package proctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// GoArgs are the arguments of a go command that builds: verb, then what makes it use the packages that the caller was
// built from, instead of compiling all of them once more, then the rest. A profile would have every package compiled
// once more too.
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

// WithBinary builds a package, given as a path in dir, and returns what use returns for the path of the binary, which
// is then removed. It is for TestMain: an error is written to standard error and counts as exit code 1.
func WithBinary(dir, pkg string, use func(path string) int) int {
	temp, err := os.MkdirTemp("", "binary")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(temp) }()
	path := filepath.Join(temp, filepath.Base(pkg))
	if err := Build(dir, pkg, path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return use(path)
}
