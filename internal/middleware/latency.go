package middleware

import (
	"math/bits"
	"sync"
	"time"
)

// latency keeps how long the requests served lately took, for their 95th percentile. It ages: a sample counts for one to
// two spans and is then forgotten, also when nothing new comes. So a pod that sheds everything finds its way back. The
// zero value is ready; it is safe for concurrent use.
type latency struct {
	mu    sync.Mutex
	began time.Time // of the present span
	now   histogram
	past  histogram
}

// latencySpan is how long a sample is new.
const latencySpan = 10 * time.Second

// fewest is the number of samples below which a percentile says nothing.
const fewest = 20

// observe adds the latency of a request that was served.
func (l *latency) observe(now time.Time, took time.Duration) {
	b := bucket(took)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnLocked(now)
	l.now.counts[b]++
	l.now.total++
}

// p95 is the 95th percentile of what was served lately; 0 when that was too little to say.
func (l *latency) p95(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnLocked(now)
	total := l.now.total + l.past.total
	if total < fewest {
		return 0
	}
	left := total / 20 // of the slowest, still to be passed over
	for b := len(l.now.counts) - 1; ; b-- {
		n := l.now.counts[b] + l.past.counts[b]
		if n > left {
			return upper(b)
		}
		left -= n
	}
}

// turnLocked begins a new span when the present one is over.
func (l *latency) turnLocked(now time.Time) {
	switch age := now.Sub(l.began); {
	case age < latencySpan:
	case age < 2*latencySpan:
		l.past, l.now, l.began = l.now, histogram{}, l.began.Add(latencySpan)
	default:
		l.past, l.now, l.began = histogram{}, histogram{}, now
	}
}

// histogram counts whole milliseconds, eight buckets to the octave, up to about 17 minutes: a percentile is at most one
// eighth too high.
type histogram struct {
	counts [buckets]uint32
	total  uint32
}

const (
	buckets   = 144
	perOctave = 8
)

// bucket is where a duration is counted: below 8 ms each millisecond has its own bucket, above it the three bits that
// follow the highest one choose.
func bucket(d time.Duration) int {
	ms := uint64(max(d, 0) / time.Millisecond)
	if ms < perOctave {
		return int(ms)
	}
	octave := bits.Len64(ms) - 4 // 0 for 8 to 15 ms
	return min(octave*perOctave+int(ms>>octave), buckets-1)
}

// upper is the end of a bucket: everything counted in it was shorter.
func upper(b int) time.Duration {
	octave := max(b/perOctave-1, 0)
	return time.Duration(b-octave*perOctave+1) << octave * time.Millisecond
}
