package docs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
)

// runBy lists the target of make or the test that runs a command, by the beginning of the command. Commands that need a
// cluster or Docker are run by targets that have one.
var runBy = []struct{ begins, by string }{
	{"make run", "TestNewcomer"},
	{"make ", "TestMakeTargetsExist"}, // which does not run them
	{"curl http://localhost:8080/llm ", "TestNewcomer"},
	{"curl -i http://localhost:8080/llm ", "TestNewcomer"},
	{"curl -sS ", "TestVendors"},
	{"curl -X POST localhost:9091/", "TestLivePageCommands"},
	{"curl -X DELETE localhost:9091/", "TestLivePageCommands"},
	{"go run ./cmd/vendorsim", "TestVendors"}, // which starts the same simulator
	{"KEY=", "TestRunningWithAVendor"},
	{"echo ", "TestRunningWithAVendor"},
	{"LLM_VENDOR_URL=", "TestRunningWithAVendor"},
	{"helm ", "e2e"},
	{"kubectl ", "e2e"},
	{"kind create cluster", "e2e-kind"},
}

// command is one line of a page that a reader would type.
type command struct{ page, text string }

var language = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```")

// commands returns the commands of all pages: the lines of blocks without a language, or with sh.
func commands(t *testing.T) (all []command) {
	t.Helper()
	for _, page := range pages(t) {
		for _, block := range language.FindAllStringSubmatch(read(t, page), -1) {
			if block[1] != "" && block[1] != "sh" && block[1] != "bash" {
				continue
			}
			joined := strings.ReplaceAll(block[2], "\\\n", "")
			joined = regexp.MustCompile(`'\{[^']*'`).ReplaceAllStringFunc(joined, func(quoted string) string {
				return strings.ReplaceAll(quoted, "\n", " ")
			})
			for line := range strings.Lines(joined) {
				line, _, _ = strings.Cut(line, " # ")
				if line = strings.TrimSpace(line); line != "" {
					all = append(all, command{page, line})
				}
			}
		}
	}
	return all
}

// TestEveryCommandIsRun: each command of the README and the docs is one that a test or a target runs.
func TestEveryCommandIsRun(t *testing.T) {
	t.Parallel()
	_, tests := source(t, root)
	makefile := read(t, "Makefile")
	for _, c := range commands(t) {
		i := slices.IndexFunc(runBy, func(r struct{ begins, by string }) bool {
			return strings.HasPrefix(c.text+" ",
				r.begins)
		})
		if i < 0 {
			t.Errorf("%s: nothing runs %q. A block that is no commands needs a language, such as text", c.page, c.text)
			continue
		}
		if by := runBy[i].by; !strings.Contains(tests, "func "+by+"(") && !strings.Contains(makefile, "\n"+by+":") {
			t.Errorf("%s: %q is run by %s, which is not there", c.page, c.text, by)
		}
	}
}

// TestMakeTargetsExist runs make -n on every target in the pages.
func TestMakeTargetsExist(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	texts := []string{}
	for _, c := range commands(t) {
		texts = append(texts, c.text)
	}
	for _, page := range pages(t) {
		for _, m := range regexp.MustCompile("`(make [a-z0-9-]+)[^`]*`").FindAllStringSubmatch(read(t, page), -1) {
			texts = append(texts, m[1])
		}
	}
	for _, text := range texts {
		words := strings.Fields(text)
		if words[0] != "make" || len(words) < 2 || seen[words[1]] {
			continue
		}
		seen[words[1]] = true
		dry := proctest.Command(t, "make", "-n", words[1])
		dry.Dir = root
		if out, err := dry.CombinedOutput(); err != nil {
			t.Errorf("make %s: %v\n%s", words[1], err, out)
		}
	}
	if len(seen) < 8 {
		t.Errorf("only these: %v", seen)
	}
}

// TestHelmSetsExist: the chart has every value that the pages set with helm.
func TestHelmSetsExist(t *testing.T) {
	t.Parallel()
	type schema struct {
		Properties map[string]json.RawMessage
	}
	sets := 0
	for _, c := range commands(t) {
		if !strings.Contains(c.text, "helm/spillway") {
			continue
		}
		for _, m := range regexp.MustCompile(`--set '?([A-Za-z.]+)=`).FindAllStringSubmatch(c.text, -1) {
			sets++
			at := json.RawMessage(read(t, "helm/spillway/values.schema.json"))
			for name := range strings.SplitSeq(m[1], ".") {
				var s schema
				if err := json.Unmarshal(at, &s); err != nil {
					t.Fatal(err)
				}
				if at = s.Properties[name]; at == nil {
					t.Fatalf("%s: the chart has no value %s", c.page, m[1])
				}
			}
		}
	}
	if sets < 5 {
		t.Errorf("only %d values", sets)
	}
}
