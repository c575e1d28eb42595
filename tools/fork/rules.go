package main

import (
	"bytes"
	"fmt"
	"go/format"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	oldModule = "github.com/spillway-dev/spillway"
	oldImage  = "ghcr.io/spillway-dev/spillway"
)

// gone is removed: this program, and the documents about it.
var gone = []string{"tools/fork/", "docs/decisions/fork.md"}

// kept is not changed. The MIT licence requires its copyright notice in every copy.
var kept = []string{"LICENSE"}

// rules replace the old names with the new ones. Each place of a text is renamed once, so a new name may contain an old
// one.
type rules struct {
	words  *strings.Replacer
	binary []binaryRule
	names
}

// binaryRule finds the places where "server" means the binary.
type binaryRule struct {
	find *regexp.Regexp
	with string
}

func newRules(n names) rules {
	r := rules{names: n, words: strings.NewReplacer(
		oldImage, n.image,
		oldModule, n.module,
		"_spillway", "_"+n.snake,
		"spillway_", n.snake+"_",
		"SPILLWAY", strings.ToUpper(n.snake),
		"Spillway", n.camel,
		"spillway", n.name,
	)}
	for _, b := range [][2]string{
		{`\b(cmd|bin|out|ko-app)/server\b`, `${1}/` + n.name},     // paths
		{`(^|[^-\w])server( --?[a-z])`, `${1}` + n.name + `${2}`}, // command lines
		{`\bCommand server\b`, `Command ` + n.name},
		{`(\bprogram +=) "server"`, `${1} "` + n.name + `"`},  // what it calls itself
		{`"/server"`, `"/` + n.name + `"`},                    // the image's entry point
		{`(\bfor cmd in|\$\$cmd =) server`, `${1} ` + n.name}, // Makefile: one image for each command
		{`(- id:) server\b`, `${1} ` + n.name},                // ko
	} {
		r.binary = append(r.binary, binaryRule{regexp.MustCompile(`(?m)` + b[0]), b[1]})
	}
	return r
}

// metric is the prefix of a metric's name, or the name of a package's tests.
var metric = regexp.MustCompile(`\bllm_(test\b)?`)

func (r rules) text(s string) string {
	s = r.words.Replace(s)
	for _, b := range r.binary {
		s = b.find.ReplaceAllString(s, b.with)
	}
	return metric.ReplaceAllStringFunc(s, func(found string) string {
		if strings.HasSuffix(found, "test") {
			return found
		}
		return r.snake + "_"
	})
}

// path returns the new path of a file.
func (r rules) path(p string) string { return r.text(p) }

// file returns the new content of a file.
func (r rules) file(p string, content []byte) ([]byte, error) {
	switch {
	case slices.Contains(kept, p):
		return content, nil
	case path.Ext(p) == ".pgo":
		return renameProfile(content, r.text)
	case bytes.IndexByte(content, 0) >= 0: // a picture, say
		return content, nil
	}
	content, err := withoutFork(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	content = []byte(r.text(string(content)))
	switch {
	case path.Ext(p) == ".go": // names of another length move comments
		return format.Source(content)
	case path.Base(p) == "go.mod":
		return sortRequires(content), nil
	}
	return content, nil
}

// withoutFork removes the text about forking: the lines from one with "fork:begin" to the next with "fork:end".
func withoutFork(content []byte) ([]byte, error) {
	var out bytes.Buffer
	inside := false
	for line := range bytes.Lines(content) {
		begin, end := bytes.Contains(line, []byte("fork:begin")), bytes.Contains(line, []byte("fork:end"))
		if begin == inside && (begin || end) || begin && end {
			return nil, fmt.Errorf("fork:begin and fork:end do not alternate at %q", line)
		}
		if !inside && !begin {
			out.Write(line)
		}
		inside = begin || inside && !end
	}
	if inside {
		return nil, fmt.Errorf("fork:begin has no fork:end")
	}
	return out.Bytes(), nil
}

// sortRequires sorts the lines of each require block as go mod tidy does.
func sortRequires(content []byte) []byte {
	lines := strings.Split(string(content), "\n")
	for i, line := range lines {
		if line == "require (" {
			if n := slices.Index(lines[i:], ")"); n > 0 {
				slices.Sort(lines[i+1 : i+n])
			}
		}
	}
	return []byte(strings.Join(lines, "\n"))
}
