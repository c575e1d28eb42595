package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"
)

func newRulesFor(tb testing.TB) rules {
	tb.Helper()
	n, err := newNames("git.corp.example/team/gate", "my-svc", "registry.corp.example/team/my-svc")
	if err != nil {
		tb.Fatal(err)
	}
	return newRules(n)
}

func TestTexts(t *testing.T) {
	t.Parallel()
	r := newRulesFor(t)
	for old, want := range map[string]string{
		`import "github.com/spillway-dev/spillway/internal/llm"`: `import "git.corp.example/team/gate/internal/llm"`,
		"IMAGE ?= ghcr.io/spillway-dev/spillway":                 "IMAGE ?= registry.corp.example/team/my-svc",
		"# Spillway\nSpillway takes":                             "# MySvc\nMySvc takes",
		"alert: SpillwayBreakerOpen":                             "alert: MySvcBreakerOpen",
		"{{.IMAGE_REPO_spillway}}":                               "{{.IMAGE_REPO_my_svc}}",
		"SPILLWAY_HOME spillway_x spillway-redis":                "MY_SVC_HOME my_svc_x my-svc-redis",
		`include "spillway.fullname"`:                            `include "my-svc.fullname"`,
		"sum(rate(llm_vendor_attempts_total[1m]))":               "sum(rate(my_svc_vendor_attempts_total[1m]))",
		"package llm_test":                                       "package llm_test",
		"LLM_REDIS_URL llm:{vendor} call_llm_now":                "LLM_REDIS_URL llm:{vendor} call_llm_now",
		"go run ./cmd/server --dev":                              "go run ./cmd/my-svc --dev",
		"bin/server; bin/servers; obin/server":                   "bin/my-svc; bin/servers; obin/server",
		"`server -config-help`, redis-server --port 0":           "`my-svc -config-help`, redis-server --port 0",
		"server --dev":                                           "my-svc --dev",
		"the server - any server":                                "the server - any server",
		`ENTRYPOINT ["/server"]`:                                 `ENTRYPOINT ["/my-svc"]`,
	} {
		if got := r.text(old); got != want {
			t.Errorf("%s\nbecame %s\n  want %s", old, got, want)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	r := newRulesFor(t)
	for path, c := range map[string]struct{ old, want string }{
		"LICENSE":     {"Copyright (c) The Spillway authors", "Copyright (c) The Spillway authors"},
		"picture.png": {"spillway\x00", "spillway\x00"},
		"README.md":   {"a\n<!-- fork:begin -->\nb\n\n<!-- fork:end -->\nc\n", "a\nc\n"},
		"test/prove/go.mod": {"require (\n\tgithub.com/a/b v1.0.0\n" +
			"\tgithub.com/spillway-dev/spillway v0.0.0\n\thelm.sh/h v1.0.0\n)\n",
			"require (\n\tgit.corp.example/team/gate v0.0.0\n\tgithub.com/a/b v1.0.0\n\thelm.sh/h v1.0.0\n)\n"},
		"x.go": {"package x\n\nvar (\n\ta = \"spillway\" // one\n\tb = \"12345678\" // two\n)\n",
			"package x\n\nvar (\n\ta = \"my-svc\"   // one\n\tb = \"12345678\" // two\n)\n"},
	} {
		if got, err := r.file(path, []byte(c.old)); string(got) != c.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", path, got, err, c.want)
		}
	}
	for _, text := range []string{"fork:begin\n", "fork:end\n",
		"fork:begin\nfork:begin\nfork:end\n", "fork:begin fork:end\n"} {
		if got, err := r.file("Makefile", []byte(text)); err == nil {
			t.Errorf("%q became %q, want an error", text, got)
		}
	}
	if got := r.path("helm/spillway/templates/_helpers.tpl"); got != "helm/my-svc/templates/_helpers.tpl" {
		t.Error(got)
	}
}

// TestProfileIsRenamedInside: only the names change.
func TestProfileIsRenamedInside(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile("../../cmd/server/server.pgo")
	if err != nil {
		t.Fatal(err)
	}
	r := newRulesFor(t)
	renamed, err := r.file("cmd/server/server.pgo", old)
	if err != nil {
		t.Fatal(err)
	}
	before, after := unzip(t, old), unzip(t, renamed)
	if n := bytes.Count(before, []byte(oldModule)); n == 0 ||
		bytes.Count(after, []byte("git.corp.example/team/gate")) != n {
		t.Errorf("%d functions before, %d after", n, bytes.Count(after, []byte("git.corp.example/team/gate")))
	}
	same, err := renameProfile(old, func(s string) string { return s })
	if err != nil || !bytes.Equal(unzip(t, same), before) {
		t.Errorf("a profile without a new name is not the same any more: %v", err)
	}
	for _, bad := range [][]byte{nil, old[:len(old)/2], []byte("no profile")} {
		if _, err := renameProfile(bad, strings.Clone); err == nil {
			t.Errorf("%d bytes of a profile are taken for a whole one", len(bad))
		}
	}
}

func unzip(tb testing.TB, content []byte) []byte {
	tb.Helper()
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		tb.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
