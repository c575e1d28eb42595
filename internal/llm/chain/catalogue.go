package chain

import (
	"context"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Models lists the models that the lanes serve: from the list of each vendor those that its lane serves, and the names
// that a lane's MODELS has in full. The error is a *outcome.Rejected while no list is known.
func (c *Chain) Models(ctx context.Context) ([]llm.Model, error) {
	ctx, span := telemetry.Start(ctx, "models")
	lists := make([][]llm.Model, len(c.lanes))
	known := make([]bool, len(c.lanes))
	var asked sync.WaitGroup
	for i, lane := range c.lanes {
		if lane.name == Default || len(lane.models) > 0 { // a lane that is a fallback only serves no model by its name
			asked.Go(func() { lists[i], known[i] = lane.list.get(ctx, lane.breaker.RetryAfter() == 0) })
		}
	}
	asked.Wait()
	var all []llm.Model
	anyKnown := false
	for i, lane := range c.lanes {
		anyKnown = anyKnown || known[i]
		all = append(all, c.served(lane, lists[i])...)
	}
	span.SetAttributes(attribute.Int("llm.models", len(all)))
	if !anyKnown && len(all) == 0 {
		err := &outcome.Rejected{Layer: "models", Reason: outcome.VendorUnavailable, RetryAfter: listRetry,
			Detail: "The vendor's list of models could not be read yet. Try again after Retry-After."}
		telemetry.End(span, err)
		return nil, err
	}
	telemetry.End(span, nil)
	return all, nil
}

// served are the models of a vendor's list that the lane serves, and those that its MODELS names in full.
func (c *Chain) served(lane *lane, list []llm.Model) (all []llm.Model) {
	listed := map[string]bool{}
	for _, model := range list {
		if c.serving(model.ID) == lane && !listed[model.ID] {
			all, listed[model.ID] = append(all, model), true
		}
	}
	for _, name := range lane.models {
		if !strings.HasSuffix(name, "*") && !listed[name] {
			all = append(all, llm.NamedModel(name, lane.vendor.Name()))
		}
	}
	return all
}
