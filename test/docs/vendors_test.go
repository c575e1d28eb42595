package docs

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// TestVendors runs the curl commands of docs/vendors.md with a real service and its simulated vendor, and checks the
// answers in the page.
func TestVendors(t *testing.T) {
	t.Parallel()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	vendor := strings.TrimPrefix(strings.TrimSuffix(sim.URL, "/v1/chat/completions"), "http://")
	pod := proctest.Launch(t, proctest.Program{Path: server, Args: []string{"--dev"}, Env: []string{
		"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0", "LLM_VENDOR_URL=" + sim.URL,
	}})
	if err := pod.Serving(); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("localhost:9091", vendor, "localhost:8080", strings.TrimPrefix(pod.URL, "http://"))
	ran := 0
	for _, c := range runBy(t, "TestVendors") {
		ran++
		text := strings.Replace(here.Replace(c.text), "curl ", "curl -w '\n%{http_code}\n' ", 1)
		out, err := proctest.Command(t, "bash", "-ec", text).CombinedOutput()
		if err != nil || strings.Contains(string(out), "the fields are") || strings.HasSuffix(string(out), "\n404\n") {
			t.Errorf("%s: %s\n%v\n%s", c.page, c.text, err, out)
		}
	}
	if faults := sim.Faults(); ran < 9 || len(faults) != 1 || faults[0].Answer.Status != 503 {
		t.Errorf("%d blocks ran; the last one has left %+v", ran, faults)
	}
	names := regexp.MustCompile("`([a-z0-9-]+)`").FindAllStringSubmatch(tableOfAnswers(read(t, "docs/vendors.md")), -1)
	for _, name := range names {
		if _, ok := script.Find(name[1]); !ok {
			t.Errorf("there is no answer %s", name[1])
		}
	}
	if len(names) < 40 {
		t.Errorf("%d answers named", len(names))
	}
}

// tableOfAnswers is the table of a page.
func tableOfAnswers(page string) string {
	_, table, _ := strings.Cut(page, "\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	return table
}
