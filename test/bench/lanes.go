//go:build linux

package main

import "fmt"

// withLanes is the service with a further lane, which is also the fallback. No call of the load goes there.
const withLanes = "a lane more"

func (b *bench) startWithLanes() (*target, error) {
	return b.startServer(withLanes, b.serverPath, map[string]string{
		"LANES": "second", "FALLBACK": "second", "LANE_SECOND_MODELS": "other*", "LANE_SECOND_QUOTA_REQUESTS": "600000000",
	})
}

// unused prints what a lane costs that no call goes to.
func (b *bench) unused(saturated map[string]series) {
	cpu := func(s sample) float64 { return s.cpu }
	without, with := saturated["spillway"].of(cpu), saturated[withLanes].of(cpu)
	r := ratio(with, without)
	fmt.Fprintf(b.out, "| a lane and a fallback that are not used | without | with | wanted | reached |\n|---|---:|---:|---|---|\n"+
		"| saturation: CPU per request, µs | %.1f | %.1f (%.2f) | %s |\n\n", median(without), median(with), r, verdict(r <= 1.02, "at most 1.02"))
}
