package prove

import (
	"maps"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// Outcomes draws the offered requests, and their outcomes.
func Outcomes(rs Results, began time.Time) Panel {
	by := map[string][]time.Time{}
	var all []time.Time
	until := began
	for _, r := range rs {
		by[r.What()] = append(by[r.What()], r.At)
		all = append(all, r.At)
		if r.At.After(until) {
			until = r.At
		}
	}
	p := Panel{Y: "requests per second", Series: []Series{{Name: "offered", Color: grey,
		Points: rates(all, began, until)}}}
	for _, what := range slices.Sorted(maps.Keys(by)) {
		c, known := outcomeColors[what]
		if !known {
			c = black
		}
		p.Series = append(p.Series, Series{Name: what, Color: c, Points: rates(by[what], began, until)})
	}
	return p
}

// Windows draws the number of calls in the vendor's last window, and the contract.
func Windows(calls []vendorsim.Call, contract vendorsim.Contract, began time.Time) Panel {
	window := time.Duration(contract.Window)
	at := arrivals(calls)
	var until time.Time
	if len(at) > 0 {
		until = at[len(at)-1]
	}
	return Panel{Y: "vendor calls in the last " + window.String(), Series: []Series{
		{Name: "contract", Color: red, Dashed: true,
			Points: level(float64(contract.Requests), until.Sub(began).Seconds())},
		{Name: "calls", Color: green, Points: sliding(at, window, began)},
	}}
}
