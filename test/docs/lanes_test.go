package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/config"
)

// lanesTitle is the section of docs/extend.md that shows lanes.
const lanesTitle = "A lane and a fallback"

// TestLanesAsShown reads the settings of the section, as they stand there.
func TestLanesAsShown(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "extend.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## "+lanesTitle+"\n")
	_, block, _ := strings.Cut(section, "```\n")
	block, _, _ = strings.Cut(block, "```")
	env := []string{"LLM_VENDOR_URL=https://vendor.example/v1", "LLM_VENDOR_API_KEY=key", "LLM_REDIS_URL=redis://r:1", "LLM_API_KEYS_FILE=/keys"}
	c, err := config.Load(append(env, strings.Fields(block)...))
	if err != nil {
		t.Fatalf("%v\n%s", err, block)
	}
	if len(c.LLM.Further) != 2 || c.LLM.Fallback != "claude" {
		t.Fatalf("the section does not show two lanes and a fallback: %q, %q", c.LLM.Lanes, c.LLM.Fallback)
	}
	mini, claude := c.LLM.Further[0], c.LLM.Further[1]
	if mini.Vendor.URL != c.LLM.Vendor.URL || mini.Vendor.APIKey != "key" || len(mini.Models) == 0 || claude.Vendor.APIKey == "key" || claude.Quota.Requests == 0 {
		t.Errorf("the lanes are not what the text says of them: %+v, %+v", mini, claude)
	}
}
