//go:build npm

package clients

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestNPM runs the clients from npm, which make clients has installed, against one service.
func TestNPM(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{}, "LLM_RETRY_MAX=0", "LLM_BREAKER_FAILURES=1000")
	vendor := strings.TrimSuffix(s.URL, "/v1/chat/completions")
	cmd := exec.CommandContext(t.Context(), "node", "--test")
	cmd.Dir = "npm"
	cmd.Env = append(os.Environ(), "CLIENTS_SERVICE="+s.url, "CLIENTS_VENDOR="+vendor,
		"CLIENTS_FURTHER="+s.url, "CLIENTS_KEY="+s.key)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
