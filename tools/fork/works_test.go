//go:build fork

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

// TestForkWorks does in a copy what the README describes: fork, vet, build, start and test, with the chart. It compiles
// the copy's packages and the chart's libraries, which takes minutes, so it is not part of make test: `make fork-test`
// runs it. Imports from other modules come from the build cache, because the flags are those of this test.
func TestForkWorks(t *testing.T) {
	t.Parallel()
	dir := copyOfRepository(t)
	fork(t, dir)

	do(t, dir, "go", proctest.GoArgs("vet", "./...")...)
	do(t, dir, "go", proctest.GoArgs("build", "-o", "bin/", "./cmd/...")...)
	do(t, dir, "go", proctest.GoArgs("test", "-count=1", "-vet=off", "./internal/config")...)
	if out := do(t, dir, filepath.Join(dir, "bin", "my-svc"), "-config-help"); !strings.Contains(out,
		"LLM_VENDOR_URL") {
		t.Errorf("bin/my-svc -config-help says %s", out)
	}
	if out := do(t, dir, "make"); strings.Contains(out, "make fork") || !strings.Contains(out, "build bin/my-svc") {
		t.Errorf("make lists\n%s", out)
	}
	// The chart, k8s/ and skaffold.yaml still fit each other, and the pages about them are up to date.
	do(t, filepath.Join(dir, "test", "chart"), "go", "test", "-count=1", "-run",
		"Manifests|Skaffold|EveryValue|EverySetting", ".")
}
