package chain

import (
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// choose returns the lane that serves the call's model, and the lane that the call is made in first: the serving lane,
// or else the first of its fallbacks whose vendor has the call's endpoint. The endpoint of a call that names none is
// the one that the VENDOR_URL of the serving lane names: only then is it known whether its answers cost tokens. The
// error says which lane would serve the endpoint.
func (c *Chain) choose(call *llm.Call) (serving, first *lane, err error) {
	serving = c.serving(call.Payload.Model)
	if call.Endpoint == llm.LaneDecides {
		call.Endpoint = serving.vendor.Own()
	}
	call.Payload.InputOnly = call.Endpoint.Dialect.InputOnly
	for lane := serving; lane != nil; lane = lane.fallback {
		if lane.vendor.Speaks(call.Endpoint) {
			return serving, lane, nil
		}
	}
	return nil, nil, &outcome.Rejected{
		Layer: "lanes", Reason: outcome.EndpointNotServed, Detail: c.whoServes(serving, call.Endpoint),
	}
}

// serving is the lane that serves the model: the one whose MODELS cover it, else the default lane.
func (c *Chain) serving(model string) *lane {
	for _, lane := range c.lanes[1:] {
		for _, pattern := range lane.models {
			if matches(pattern, model) {
				return lane
			}
		}
	}
	return c.lanes[0]
}

// LaneOf names the lane that serves the model.
func (c *Chain) LaneOf(model string) string { return c.serving(model).name }
