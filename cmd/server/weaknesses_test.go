package main_test

import (
	"debug/buildinfo"
	"os"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

// TestNoKnownWeakness compares the modules in the built binary with a list of known weaknesses, without the network.
func TestNoKnownWeakness(t *testing.T) {
	t.Parallel()
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]string{}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		linked[m.Path] = m.Version
	}
	list, err := os.ReadFile("testdata/weaknesses.txt")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for line := range strings.Lines(string(list)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 3 || !semver.IsValid(fields[1]) {
			t.Errorf("not <module> <version> <identifiers>: %s", line)
			continue
		}
		version, ok := linked[fields[0]]
		if ok {
			looked++
		}
		if ok && semver.Compare(version, fields[1]) < 0 {
			t.Errorf("%s %s has %s: use %s or later", fields[0], version, fields[2], fields[1])
		}
	}
	if looked == 0 {
		t.Error("the list names no module of the binary")
	}
}
