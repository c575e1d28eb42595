package live

import (
	"maps"
	"math"
	"slices"
)

// buckets are how many durations were at most so many seconds, by that limit. The limit of the last one is infinite.
type buckets map[float64]float64

// histogram adds up the series of a histogram.
func (f figures) histogram(name, lane string) buckets {
	all := buckets{}
	for m := range f.series(name, lane) {
		for _, b := range m.GetHistogram().GetBucket() {
			all[b.GetUpperBound()] += float64(b.GetCumulativeCount())
		}
		all[math.Inf(1)] += float64(m.GetHistogram().GetSampleCount())
	}
	return all
}

// since is what was added after old.
func (b buckets) since(old buckets) buckets {
	added := buckets{}
	for limit, n := range b {
		added[limit] = n - old[limit]
	}
	return added
}

// latency has the quantiles of b.
func (b buckets) latency() Latency {
	return Latency{P50: b.quantile(.5), P95: b.quantile(.95), P99: b.quantile(.99)}
}

// quantile is the duration in seconds that a share q of all is at most. It assumes that durations lie evenly in their
// bucket, as Prometheus does. Beyond the last limit it is that limit. It is nil when there are no durations.
func (b buckets) quantile(q float64) *float64 {
	limits := slices.Sorted(maps.Keys(b))
	all := b[math.Inf(1)]
	if all <= 0 || len(limits) < 2 {
		return nil
	}
	rank, below, from := q*all, 0.0, 0.0
	for _, limit := range limits {
		if math.IsInf(limit, 1) {
			break
		}
		if b[limit] >= rank {
			return new(from + (limit-from)*(rank-below)/(b[limit]-below))
		}
		from, below = limit, b[limit]
	}
	return new(from)
}
