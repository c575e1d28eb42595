package chart_test

import "testing"

// TestThePlaygroundIsForTheSimulatedVendor: the pods let the live page make the vendor fail, and send load, exactly
// where the chart runs the simulated vendor, whatever else the values say.
func TestThePlaygroundIsForTheSimulatedVendor(t *testing.T) {
	t.Parallel()
	seen := map[bool]int{}
	for _, scenario := range scenarios(t) {
		r := mustRender(t, scenario)
		simulated := false
		for _, o := range r.objects {
			simulated = simulated || o.kind() == "Deployment" && o.name() == "llm-spillway-vendorsim"
		}
		seen[simulated]++
		switch got, on := settings(t, r)["LLM_PLAYGROUND"]; {
		case on != simulated, on && got != "true":
			t.Errorf("%s: LLM_PLAYGROUND is %v, and the simulated vendor is there: %t", scenario, got, simulated)
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("scenarios with and without: %v", seen)
	}
	for _, set := range []string{"config.PLAYGROUND=true", "config.PLAYGROUND=false"} { // not another way either
		if _, err := render4(values(t, "minimal", set), nil); err == nil {
			t.Errorf("%s is taken", set)
		}
	}
}
