package chart_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// ceilings are the largest sizes of the image's binaries, in bytes, stripped as the Dockerfile builds them. The image
// has little else. Raise a ceiling only with a reason: README.md names the size. A growth of 10 MB at once means that
// code can call methods by name, as text/template does, and that the linker keeps every method: docs/performance.md.
var ceilings = map[string]int64{"server": 25e6, "vendorsim": 7.5e6}

// TestBinariesStaySmall builds both binaries as for the image. `make release-check` builds them for every platform of a
// release.
func TestBinariesStaySmall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, ceiling := range ceilings {
		path := filepath.Join(dir, name)
		build := exec.CommandContext(t.Context(), "go", "build", "-tags", "nomsgpack", "-trimpath", "-buildvcs=false",
			"-pgo=off", "-ldflags", "-s -w -buildid=", "-o", path, "./cmd/"+name)
		build.Dir = "../.."
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.1f MiB", name, float64(info.Size())/(1<<20))
		if info.Size() > ceiling {
			t.Errorf("%s has %d bytes, above %d", name, info.Size(), ceiling)
		}
	}
}
