package live

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// fault is one way to fail: its name on the page, and how the simulator takes it.
type fault struct{ name, body string }

// faults are the ways to fail that the page offers.
var faults = []fault{
	{"down", `{"kind":"status","status":503}`},
	{"slow", `{"kind":"slow","delay":"3s"}`},
	{"429", `{"kind":"status","status":429,"retry_after":"5s"}`},
	{"cut streams", `{"kind":"cut","chunks":3}`},
	{"silent", `{"kind":"hang"}`},
	{"smaller contract", `{"kind":"contract","contract":{"requests":100,"window":"10s","enforce":true}}`},
}

// otherFault is the name of what the simulator does when it was told so elsewhere, as with curl.
const otherFault = "other"

func faultNames() []string {
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = f.name
	}
	return names
}

// sign is by what a fault is known again.
type sign struct {
	Kind   string `json:"kind"`
	Status int    `json:"status"`
}

// nameOf is the name of the faults that a simulator has in effect; "" when it has none.
func nameOf(list []byte) (string, error) {
	var has []sign
	if err := json.Unmarshal(list, &has); err != nil || has == nil {
		return "", fmt.Errorf("it does not list its faults, as a simulator does: %.200s", list)
	}
	if len(has) == 0 {
		return "", nil
	}
	for _, f := range faults {
		var s sign
		_ = json.Unmarshal([]byte(f.body), &s) // it is our own
		if slices.Equal(has, []sign{s}) {
			return f.name, nil
		}
	}
	return otherFault, nil
}

// serveFault takes {"fault":"down"}; an empty name ends the fault.
func (p *play) serveFault(r *http.Request) error {
	var want struct {
		Fault string `json:"fault"`
	}
	if err := read(r, &want); err != nil {
		return err
	}
	return p.vendor.set(r.Context(), want.Fault)
}
