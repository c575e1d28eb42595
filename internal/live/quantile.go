package live

import (
	"math"
	"slices"
)

// buckets are how many durations were at most so many seconds.
type buckets struct {
	All   float64  `json:"all"`
	Under []bucket `json:"under"` // the limits ascend, and the numbers with them
}

// bucket is how many durations were at most Limit seconds.
type bucket struct {
	Limit float64 `json:"seconds"`
	N     float64 `json:"n"`
}

// histogram adds up the series of a histogram.
func (f figures) histogram(name, lane string) buckets {
	var all buckets
	for m := range f.series(name, lane) {
		one := buckets{All: float64(m.GetHistogram().GetSampleCount())}
		for _, b := range m.GetHistogram().GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) {
				one.Under = append(one.Under, bucket{b.GetUpperBound(), float64(b.GetCumulativeCount())})
			}
		}
		all = all.plus(one, 1)
	}
	return all
}

// plus adds times the numbers of other, which has the same limits. One of both may have none.
func (b buckets) plus(other buckets, times float64) buckets {
	sum := buckets{All: b.All + times*other.All, Under: slices.Clone(b.Under)}
	if len(sum.Under) == 0 {
		sum.Under = make([]bucket, len(other.Under))
	}
	for i := range min(len(sum.Under), len(other.Under)) {
		sum.Under[i].Limit = other.Under[i].Limit
		sum.Under[i].N += times * other.Under[i].N
	}
	return sum
}

// since is what was added after old.
func (b buckets) since(old buckets) buckets { return b.plus(old, -1) }

// latency has the quantiles of b.
func (b buckets) latency() Latency {
	return Latency{P50: b.quantile(.5), P95: b.quantile(.95), P99: b.quantile(.99), buckets: b}
}

// quantile is the duration in seconds that a share q of all is at most. It assumes that durations lie evenly in their
// bucket, as Prometheus does. Beyond the last limit it is that limit. It is nil when there are no durations.
func (b buckets) quantile(q float64) *float64 {
	if b.All <= 0 || len(b.Under) == 0 {
		return nil
	}
	rank, below, from := q*b.All, 0.0, 0.0
	for _, u := range b.Under {
		if u.N >= rank {
			return new(from + (u.Limit-from)*(rank-below)/(u.N-below))
		}
		from, below = u.Limit, u.N
	}
	return new(from)
}
