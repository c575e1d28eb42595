package main

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

// withChart makes TestFork test the renamed chart too. Its libraries take minutes to compile, so this is not part of
// make test: `make fork-test` sets it.
var withChart = flag.Bool("chart", false, "test the chart of the renamed copy too")

// TestFork does in a copy what the README describes: fork, then search for the old name, vet, build and test. The new
// name has a hyphen, which not all names may have. Only the copy's own packages are compiled: their imports come from
// the build cache, because the flags are those of this test.
func TestFork(t *testing.T) {
	t.Parallel()
	dir := copyOfRepository(t)
	var said bytes.Buffer
	if err := run(t.Context(), dir, []string{"-module", "git.corp.example/team/gate", "-name", "my-svc", "-image",
		"registry.corp.example/team/my-svc"}, &said, &said); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bin/my-svc", "helm/my-svc", "my_svc_…", "git add -A"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %s:\n%s", want, &said)
		}
	}
	noTrace(t, dir)
	if t.Failed() {
		return // what follows could only say the same again
	}

	do(t, dir, "go", proctest.GoArgs("vet", "./...")...)
	do(t, dir, "go", proctest.GoArgs("build", "-o", "bin/", "./cmd/...")...)
	if out := do(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted:\n%s", out)
	}
	do(t, dir, "go", proctest.GoArgs("test", "-count=1", "-vet=off", "./internal/config")...)
	if out := do(t, dir, filepath.Join(dir, "bin", "my-svc"), "-config-help"); !strings.Contains(out,
		"LLM_VENDOR_URL") {
		t.Errorf("bin/my-svc -config-help says %s", out)
	}
	if out := do(t, dir, "make"); strings.Contains(out, "make fork") || !strings.Contains(out, "build bin/my-svc") {
		t.Errorf("make lists\n%s", out)
	}
	if *withChart { // the chart, k8s/ and skaffold.yaml still fit each other, and the pages about them are up to date
		do(t, filepath.Join(dir, "test", "chart"), "go", "test", "-count=1", "-run",
			"Manifests|Skaffold|EveryValue|EverySetting", ".")
	}

	if err := run(t.Context(), dir, []string{"-module", "github.com/a/b", "-name", "another", "-force"},
		&said, &said); err == nil || !strings.Contains(err.Error(), "renamed already") {
		t.Errorf("a second time: %v", err)
	}
}

// TestForkWantsAWayBack: nothing is changed when git could not undo it.
func TestForkWantsAWayBack(t *testing.T) {
	t.Parallel()
	args := []string{"-module", "github.com/me/mysvc", "-name", "mysvc"}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module "+oldModule+"\n")
	var said bytes.Buffer
	if err := run(t.Context(), dir, args, &said, &said); err == nil || !strings.Contains(err.Error(), "git init") {
		t.Errorf("outside git: %v", err)
	}
	do(t, dir, "git", "init", "-q")
	if err := run(t.Context(), dir, args, &said, &said); err == nil || !strings.Contains(err.Error(), "FORCE=1") ||
		!strings.Contains(err.Error(), "go.mod") {
		t.Errorf("with changes: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil || string(text) != "module "+oldModule+"\n" {
		t.Errorf("it was touched: %s, %v", text, err)
	}
	if err := run(t.Context(), dir, append(args, "-force"), &said, &said); err != nil {
		t.Errorf("forced: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil ||
		string(text) != "module github.com/me/mysvc\n" {
		t.Errorf("forced: %s, %v", text, err)
	}
}

// noTrace searches the old name everywhere: in paths, texts, and inside the profile. The licence keeps its notice.
func noTrace(t *testing.T, dir string) {
	t.Helper()
	old := regexp.MustCompile(
		`(?i:spillway)|fork:(begin|end)|make fork|tools/fork|\b(cmd|bin|out)/server\b|\bllm_([a-su-z]|t[^e])`)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		path, _ := filepath.Rel(dir, name)
		switch {
		case err != nil:
			return err
		case path == ".git":
			return fs.SkipDir
		case old.MatchString(path):
			t.Errorf("%s has the old name", path)
		case d.IsDir():
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if filepath.Ext(path) == ".pgo" {
			text = unzip(t, text)
		}
		for line := range bytes.Lines(text) {
			if found := old.Find(line); found != nil &&
				(path != "LICENSE" || !bytes.HasPrefix(line, []byte("Copyright"))) {
				t.Errorf("%s: %q in %.200q", path, found, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	license, err := os.ReadFile(filepath.Join(dir, "LICENSE"))
	if err != nil || !bytes.Contains(license, []byte("The Spillway authors")) {
		t.Errorf("the licence lost its notice: %s, %v", license, err)
	}
}

// copyOfRepository is a copy of this repository as git would clone it, with uncommitted changes.
func copyOfRepository(t *testing.T) string {
	t.Helper()
	const root = "../.."
	dir := t.TempDir()
	for path := range strings.SplitSeq(strings.TrimRight(do(t, root, "git", "ls-files", "-z", "--cached", "--others",
		"--exclude-standard"), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) { // deleted, not committed
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, path), string(text))
	}
	do(t, dir, "git", "init", "-q")
	do(t, dir, "git", "add", "-A")
	do(t, dir, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "start")
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// do runs a command in dir, which must succeed, and returns its output.
func do(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := proctest.Command(t, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
