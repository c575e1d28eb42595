package live

import (
	"maps"
	"slices"
)

// order is the way of a request as far as the vendor, without the vendor. Layers that are not named here come before
// the vendor.
var order = func() (names []string) {
	for _, step := range way {
		if step.Part != PartBesides && step.Name != layerVendor {
			names = append(names, step.Name)
		}
	}
	return names
}()

// layers follows the requests that ended: each layer lets through what it and those before it did not refuse.
func (s span) layers(in float64) []Layer {
	old, now := byLayer(s.old.refused), byLayer(s.now.refused)
	list := make([]Layer, 0, len(order)+2)
	for _, name := range names(now) {
		layer := Layer{Name: name, Reasons: s.sorted(old[name], now[name])}
		layer.Refused = s.grown(total(old[name]), total(now[name]))
		in = max(0, in-layer.Refused.PerSecond)
		layer.Passed = in
		list = append(list, layer)
	}
	return list
}

// names lists the layers in the order of the way.
func names(refused map[string]map[string]float64) []string {
	all := slices.Clone(order)
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		if !slices.Contains(all, name) && name != layerVendor {
			all = append(all, name)
		}
	}
	return append(all, layerVendor)
}

// byLayer sorts refusals by layer, then by reason.
func byLayer(refused map[cause]float64) map[string]map[string]float64 {
	sorted := map[string]map[string]float64{}
	for why, n := range refused {
		if sorted[why.layer] == nil {
			sorted[why.layer] = map[string]float64{}
		}
		sorted[why.layer][why.reason] = n
	}
	return sorted
}
