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

// layers follows the requests that came: each layer lets through what it and those before it did not refuse, and what
// does not stay or end there for another reason.
func (s span) layers(r Requests) []Layer {
	old, now := byLayer(s.old.refused), byLayer(s.now.refused)
	list := make([]Layer, 0, len(order)+4)
	in, ends := r.PerSecond, s.ends()
	for _, name := range names(now) {
		layer := Layer{Name: name, Reasons: s.sorted(old[name], now[name])}
		layer.Refused = s.grown(total(old[name]), total(now[name]))
		in -= layer.Refused.PerSecond + ends[name]
		layer.Passed = max(0, in)
		switch name {
		case layerVendor:
			layer.Passed = s.answered(forCall)
		case layerHere:
			layer.Passed = s.answered(forRead) + s.answered(forJob)
		}
		list = append(list, layer)
	}
	return list
}

// ends are the requests each second that are not refused and go no further than a layer: those that no vendor is called
// for now, and those that wait there. It is below zero where more go on than come.
func (s span) ends() map[string]float64 {
	more := func(gauge string) float64 {
		return s.change(s.old.figures.sum(gauge, ""), s.now.figures.sum(gauge, ""))
	}
	return map[string]float64{
		"header_limit": s.answered(forRead) + more("llm_jobs_waiting_requests"),
		"token_limit":  s.answered(forJob),
		"quota":        more("llm_quota_waiting"),
		"slots":        more("llm_slots_waiting"),
	}
}

// answered is how many requests for a purpose succeeded each second.
func (s span) answered(of purpose) float64 {
	return s.grown(outcomes(s.old.figures, of)[outcomeOK], outcomes(s.now.figures, of)[outcomeOK]).PerSecond
}

// names lists the layers in the order of the way.
func names(refused map[string]map[string]float64) []string {
	all := slices.Clone(order)
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		if !slices.Contains(all, name) && name != layerVendor && name != layerHere {
			all = append(all, name)
		}
	}
	return append(all, layerVendor, layerHere)
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
