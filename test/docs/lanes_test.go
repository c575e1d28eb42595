package docs

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// lanesTitle is the section of docs/extend.md that shows lanes.
const lanesTitle = "A lane and a fallback"

// TestLanesAsShown reads the settings of the section.
func TestLanesAsShown(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, "docs/extend.md"), "\n## "+lanesTitle+"\n")
	_, block, _ := strings.Cut(section, "```text\n")
	block, _, _ = strings.Cut(block, "```")
	env := []string{"LLM_VENDOR_URL=https://vendor.example/v1", "LLM_VENDOR_API_KEY=key", "LLM_REDIS_URL=redis://r:1",
		"LLM_API_KEYS_FILE=/keys"}
	c, err := config.Load(append(env, strings.Fields(block)...))
	if err != nil {
		t.Fatalf("%v\n%s", err, block)
	}
	if len(c.LLM.Further) != 2 || c.LLM.Fallback != "claude" {
		t.Fatalf("the section does not show two lanes and a fallback: %q, %q", c.LLM.Lanes, c.LLM.Fallback)
	}
	mini, claude := c.LLM.Further[0], c.LLM.Further[1]
	if mini.Vendor.URL != c.LLM.Vendor.URL || mini.Vendor.APIKey != "key" || len(mini.Models) == 0 ||
		claude.Vendor.APIKey == "key" || claude.Quota.Requests == 0 {
		t.Errorf("the lanes are not what the text says of them: %+v, %+v", mini, claude)
	}
}

// TestASecondVendorAsShown runs the commands of the section in docs/vendors.md, with vendors at other addresses.
func TestASecondVendorAsShown(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, "docs/vendors.md"), "\n## A second vendor\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var places []string
	for _, shown := range []string{"localhost:9091", "localhost:9092"} {
		sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sim.Close)
		places = append(places, shown, strings.TrimPrefix(strings.TrimSuffix(sim.URL, "/v1/chat/completions"),
			"http://"))
	}
	section = strings.NewReplacer(places...).Replace(section)
	env := append(regexp.MustCompile(`LLM_\S+=\S+`).FindAllString(section, -1),
		"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0")
	pod := proctest.Launch(t, proctest.Program{Path: server, Args: []string{"--dev"}, Env: env})
	if err := pod.Serving(); err != nil {
		t.Fatal(err)
	}
	_, curl, _ := strings.Cut(section, "\n```\ncurl")
	curl, _, _ = strings.Cut(curl, "\n```\n")
	curl = strings.ReplaceAll(curl, "localhost:8080", strings.TrimPrefix(pod.URL, "http://"))
	out, err := proctest.Command(t, "bash", "-ec", "curl"+curl).CombinedOutput()
	for _, want := range []string{"HTTP/1.1 200", "X-Llm-Lane: second", `"model":"another"`} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("no %s: %v\n%s", want, err, out)
		}
	}
}
