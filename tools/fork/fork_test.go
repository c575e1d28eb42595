package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

// TestFork renames a copy and searches it for the old name. What the copy then does is TestForkWorks, in
// `make fork-test`.
func TestFork(t *testing.T) {
	t.Parallel()
	dir := copyOfRepository(t)
	said := fork(t, dir)
	for _, want := range []string{"bin/my-svc", "helm/my-svc", "my_svc_…", "git add -A"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %s:\n%s", want, said)
		}
	}
	noTrace(t, dir)
	if out := do(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted:\n%s", out)
	}
	if err := run(t.Context(), dir, []string{"-module", "github.com/a/b", "-name", "another", "-force"},
		io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "renamed already") {
		t.Errorf("a second time: %v", err)
	}
}

// fork renames the repository in dir and returns what the tool says. The new name has a hyphen, which not all names may
// have.
func fork(t *testing.T, dir string) string {
	t.Helper()
	var said bytes.Buffer
	if err := run(t.Context(), dir, []string{"-module", "git.corp.example/team/gate", "-name", "my-svc", "-image",
		"registry.corp.example/team/my-svc"}, &said, &said); err != nil {
		t.Fatal(err)
	}
	return said.String()
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
