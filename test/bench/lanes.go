//go:build linux

package main

// withLanes is the service with a second lane, which is also the fallback. No call of the load uses it.
const withLanes = "a lane more"

func (b *bench) startWithLanes() (*target, error) {
	return b.startServer(withLanes, b.serverPath, map[string]string{
		"LANES": "second", "FALLBACK": "second", "LANE_SECOND_MODELS": "other*",
		"LANE_SECOND_QUOTA_REQUESTS": "600000000",
	})
}

// addUnused adds the cost of a lane that no call uses.
func (b *bench) addUnused(saturated map[string][]sample) {
	cpu := figuresOf(saturated, func(s sample) float64 { return s.cpu })
	const without = "without"
	b.add(row{
		what:    "a request, with a lane and a fallback that are not used: CPU, µs",
		figures: figures{ownName: cpu[withLanes], without: cpu[ownName]}, against: without, ratio: 1.02,
	})
}
