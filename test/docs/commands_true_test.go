package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

// usage is what the pages use of programs that the tests cannot ask: the first words and the flags.
var usage = map[string]struct{ verbs, flags []string }{
	"kubectl": {[]string{"apply", "create namespace", "create secret generic", "create secret tls", "describe", "get pods",
		"port-forward", "rollout restart", "rollout undo"},
		[]string{"-n", "-k", "--from-literal", "--from-file", "--cert", "--key"}},
	"helm": {[]string{"install", "repo add", "rollback", "template", "test", "uninstall", "upgrade"},
		[]string{"-n", "--set", "--wait"}},
	"go": {[]string{"build", "list", "run", "test", "tool golangci-lint run", "tool nm", "version"}, []string{"-addr",
		"--dev", "-bench", "-ldflags", "-m", "-modfile", "-pgo", "-run", "-size", "-sort", "-tags", "-trimpath",
		"-update"}},
	"curl":     {[]string{""}, []string{"-H", "-X", "-d", "-i", "-sS"}},
	"docker":   {[]string{"run"}, nil},
	"git":      {[]string{"clone", "diff"}, nil},
	"kind":     {[]string{"create cluster"}, nil},
	"skaffold": {[]string{"dev"}, nil},
}

var (
	setting = regexp.MustCompile(`^[A-Z_]+=`)
	quoted  = regexp.MustCompile(`'[^']*'|"[^"]*"`)
)

// parts are a command's program and the words after it, without settings before it. A word in quotes stays one.
func parts(text string) (program string, args []string) {
	text = quoted.ReplaceAllStringFunc(text, func(s string) string {
		return strings.ReplaceAll(strings.Trim(s, `'"`), " ", "\x00")
	})
	args = strings.Fields(text)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "\x00", " ")
	}
	for len(args) > 0 && setting.MatchString(args[0]) {
		args = args[1:]
	}
	if len(args) == 0 {
		return "", nil
	}
	return args[0], args[1:]
}

// TestCommandsAreTrue looks at the commands that no test runs: their targets, words, flags, files and names are there.
func TestCommandsAreTrue(t *testing.T) {
	t.Parallel()
	looked := 0
	for _, r := range rows(t) {
		if !strings.HasPrefix(r.how, "not run, ") {
			continue
		}
		looked++
		program, args := parts(r.text)
		if program == "make" {
			makes(t, r, args)
			continue
		}
		if name, isBuilt := strings.CutPrefix(program, "bin/"); isBuilt && len(args) == 0 {
			if _, err := os.Stat(filepath.Join(root, "cmd", name)); err != nil && name != "NAME" {
				t.Errorf("%s: make build makes no %s", r.page, program)
			}
			continue
		}
		known, ok := usage[program]
		if !ok {
			t.Errorf("%s: the test does not know %s of %q", r.page, program, r.text)
			continue
		}
		var plain []string
		for i, arg := range args {
			flag, _, _ := strings.Cut(arg, "=")
			switch {
			case !strings.HasPrefix(arg, "-") && (i == 0 || args[i-1] != "-n"):
				plain = append(plain, arg)
			case strings.HasPrefix(arg, "-") && !strings.Contains(arg, " ") && !slices.Contains(known.flags, flag):
				t.Errorf("%s: the test does not know the flag %s of %q", r.page, flag, r.text)
			}
			namesExist(t, r, arg)
		}
		said := strings.Join(plain, " ") + " "
		if !slices.ContainsFunc(known.verbs, func(v string) bool { return v == "" || strings.HasPrefix(said, v+" ") }) {
			t.Errorf("%s: %q is not one of %v", r.page, r.text, known.verbs)
		}
	}
	if looked < 50 {
		t.Errorf("only %d", looked)
	}
}

// makes compares a call of make with the Makefile: each word is a target or a variable, and make -n accepts it.
func makes(t *testing.T, r row, args []string) {
	t.Helper()
	makefile := read(t, "Makefile")
	for _, arg := range args {
		name, _, isSet := strings.Cut(arg, "=")
		if isSet && !strings.Contains(makefile, "$("+name+")") || !isSet && !strings.Contains(makefile, "\n"+name+":") {
			t.Errorf("%s: the Makefile has no %s", r.page, name)
		}
	}
	dry := proctest.Command(t, "make", append([]string{"-n"}, args...)...)
	dry.Dir = root
	if out, err := dry.CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %v\n%s", r.page, r.text, err, out)
	}
}

// namesExist checks what a word of a command names: a path of the repository, or an object that the manifests have.
func namesExist(t *testing.T, r row, arg string) {
	t.Helper()
	_, path, isSet := strings.Cut(arg, "=")
	if !isSet || !strings.HasPrefix(path, "tools/") {
		path = arg
	}
	for _, dir := range []string{"./", "helm/", "k8s/", "tools/"} {
		if _, err := os.Stat(filepath.Join(root, path)); strings.HasPrefix(path, dir) && err != nil {
			t.Errorf("%s: %q: %v", r.page, r.text, err)
		}
	}
	if kind, name, ok := strings.Cut(arg, "/"); ok && (kind == "deploy" || kind == "svc") {
		want := map[string]string{"deploy": "Deployment", "svc": "Service"}[kind]
		// k8s/ is the chart's release "spillway"; the pages' release is "llm", and the chart puts that before its name.
		own, isRelease := strings.CutPrefix(name, "llm-")
		if objects := manifests(t); !isRelease || !objects[want+" "+own] {
			t.Errorf("%s: the chart has no %s %s", r.page, want, name)
		}
	}
}
