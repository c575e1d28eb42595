package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spillway-dev/spillway/internal/llm"
)

// Nothing is translated between endpoints. A call goes to lanes whose vendor has its endpoint, and skips the others.

// Speaks reports whether the vendor of a lane has an endpoint.
func (c Config) Speaks(e *llm.Endpoint) bool {
	return slices.ContainsFunc(c.lanes(), func(l FurtherLane) bool { return l.Vendor.Speaks(e) })
}

// Speaks reports whether the vendor of a lane has an endpoint.
func (c *Chain) Speaks(e *llm.Endpoint) bool {
	return slices.ContainsFunc(c.lanes, func(l *lane) bool { return l.vendor.Speaks(e) })
}

// Passed are the clients' headers that go on to the vendor of any lane.
func (c *Chain) Passed() []string {
	var names []string
	for _, lane := range c.lanes {
		names = append(names, lane.vendor.Passed()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// whoServes says which lanes have the endpoint, and which settings decide about that: a client asks for another model,
// an operator changes the settings.
func (c *Chain) whoServes(serving *lane, e *llm.Endpoint) string {
	var others []string
	for _, lane := range c.lanes {
		switch {
		case !lane.vendor.Speaks(e):
		case lane.name == Default:
			others = append(others, "default (every model that no other lane serves)")
		case len(lane.models) == 0:
			others = append(others, lane.name+" (no model, so calls reach it as a fallback only)")
		default:
			others = append(others, fmt.Sprintf("%s (%s)", lane.name, strings.Join(lane.models, ", ")))
		}
	}
	text := fmt.Sprintf("This model is served by the lane %s, whose vendor does not have %s. ", serving.name, e.Route())
	if len(others) == 0 {
		return text + fmt.Sprintf("No lane's vendor has it: %s lists what the vendor has, and %s may be its base URL.",
			setting(serving.name, "VENDOR_ENDPOINTS"), setting(serving.name, "VENDOR_URL"))
	}
	return text + fmt.Sprintf("Lanes that serve it, with their models: %s. %s says which models a lane serves.",
		strings.Join(others, "; "), setting("<NAME>", "MODELS"))
}

// setting is the whole name of a lane's setting.
func setting(lane, name string) string { return "LLM_" + variable(lane, name) }
