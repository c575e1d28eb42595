package live

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// Fault is one way to fail.
type Fault struct {
	Name string `json:"name"` // on its button
	Says string `json:"says"` // what the vendor does then
	body string // how the simulator takes it
}

// faults are the ways to fail that the page offers.
var faults = []Fault{
	{"down", "The vendor answers every call with an error, 503.", `{"kind":"status","status":503}`},
	{"slow", "The vendor takes three seconds longer for each answer.", `{"kind":"slow","delay":"3s"}`},
	{"429", "The vendor answers \"too many requests\", and asks to wait for five seconds: 429 with Retry-After.",
		`{"kind":"status","status":429,"retry_after":"5s"}`},
	{"cut streams", "The vendor breaks each stream off after three events.", `{"kind":"cut","chunks":3}`},
	{"silent", "The vendor takes calls and does not answer. Each call fails at the call timeout, which is 30 seconds " +
		"unless it was set.", `{"kind":"hang"}`},
	{"smaller contract", "The vendor grants 100 requests in ten seconds, which the service does not know, and refuses " +
		"what is beyond.", `{"kind":"contract","contract":{"requests":100,"window":"10s","enforce":true}}`},
}

// otherFault is the name of what the simulator does when it was told so elsewhere, as with curl.
const otherFault = "other"

func faultNames() []string {
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = f.Name
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
			return f.Name, nil
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
