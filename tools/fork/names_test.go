package main

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for given, want := range map[[3]string]names{
		{"github.com/me/mysvc", "mysvc", ""}: {"github.com/me/mysvc", "mysvc",
			"ghcr.io/me/mysvc", "mysvc", "Mysvc"},
		{"github.com/Me/Repo", "my-llm-gate", ""}: {"github.com/Me/Repo", "my-llm-gate",
			"ghcr.io/me/my-llm-gate", "my_llm_gate", "MyLlmGate"},
		{"git.corp.example/a/b/c.d", "x9", "registry.corp:5000/a/x9"}: {"git.corp.example/a/b/c.d", "x9",
			"registry.corp:5000/a/x9", "x9", "X9"},
		{"github.com/me/mysvc/v2", "my--svc", "docker.io/me/elsewhere"}: {"github.com/me/mysvc/v2", "my--svc",
			"docker.io/me/elsewhere", "my__svc", "MySvc"},
	} {
		if got, err := newNames(given[0], given[1], given[2]); got != want || err != nil {
			t.Errorf("%q: %+v, %v; want %+v", given, got, err, want)
		}
	}
}

// TestBadNamesAreRefusedWithAdvice: names that Go, Kubernetes or a registry would refuse much later.
func TestBadNamesAreRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	for given, advice := range map[[3]string]string{
		{"", "mysvc", ""}:                                            "make fork MODULE=",
		{"github.com/me/mysvc", "", ""}:                              "make fork MODULE=",
		{"https://github.com/me/mysvc", "mysvc", ""}:                 "module path alone",
		{"github.com/me/mysvc.git", "mysvc", ""}:                     "module path alone",
		{"mysvc", "mysvc", ""}:                                       "host name",
		{"me/mysvc", "mysvc", ""}:                                    "host name",
		{"github.com", "mysvc", ""}:                                  "host name",
		{"github.com/me/", "mysvc", ""}:                              `has "" in it`,
		{"github.com//mysvc", "mysvc", ""}:                           `has "" in it`,
		{"github.com/me/my svc", "mysvc", ""}:                        `has "my svc" in it`,
		{"github.com/me/../etc", "mysvc", ""}:                        `has ".." in it`,
		{"github.com/me/'; rm -rf", "mysvc", ""}:                     "in it",
		{"github.com/me/mysvc", "MySvc", ""}:                         "lower-case",
		{"github.com/me/mysvc", "my_svc", ""}:                        "lower-case",
		{"github.com/me/mysvc", "9svc", ""}:                          "a letter first",
		{"github.com/me/mysvc", "mysvc-", ""}:                        "no hyphen last",
		{"github.com/me/mysvc", "m", ""}:                             "2 to 32",
		{"github.com/me/mysvc", "../x", ""}:                          "lower-case",
		{"github.com/me/m", "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", ""}: "2 to 32",
		{"github.com/me/mysvc", "llm", ""}:                           "my-llm",
		{"github.com/me/mysvc", "vendorsim", ""}:                     "my-vendorsim",
		{"git.corp.example/me/mysvc", "mysvc", ""}:                   "IMAGE=registry.example.com/me/mysvc",
		{"github.com/mysvc", "mysvc", ""}:                            "IMAGE=",
		{"github.com/me/mysvc", "mysvc", "x y"}:                      "IMAGE=",
		{"github.com/me/mysvc", "mysvc", "mysvc:1.0"}:                "without a tag",
	} {
		if _, err := newNames(given[0], given[1], given[2]); err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("%q: %v; want advice with %q", given, err, advice)
		}
	}
}
