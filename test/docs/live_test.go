package docs

import (
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestLivePageCommands runs the commands for the simulated vendor in docs/live.md.
func TestLivePageCommands(t *testing.T) {
	t.Parallel()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	vendor := strings.TrimPrefix(strings.TrimSuffix(sim.URL, "/v1/chat/completions"), "http://")
	ran := 0
	for _, c := range runBy(t, "TestLivePageCommands") {
		ran++
		faults := 0
		if strings.Contains(c.text, " -X POST ") {
			faults = 1
		}
		curl := proctest.Command(t, "bash", "-ec", strings.ReplaceAll(c.text, "localhost:9091", vendor))
		if out, err := curl.CombinedOutput(); err != nil || len(sim.Faults()) != faults {
			t.Errorf("%s\n%v\n%s, and the faults are %+v", c.text, err, out, sim.Faults())
		}
	}
	if ran != 2 {
		t.Errorf("%d lines ran", ran)
	}
}
