// Package timing has durations as texts, and distributions of them.
package timing

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Duration is a time.Duration that is written like one in JSON: "1.5s".
type Duration time.Duration

// MarshalJSON writes the duration as Go does.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads it back.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is a text such as \"300ms\": %w", err)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

// Latency is a distribution of durations: constant ("300ms"), uniform ("100ms..500ms"), or log-normal, given by its
// median and its 99th percentile ("lognormal:300ms,2s"). The zero value is no latency.
type Latency struct {
	low, high time.Duration // uniform between them; equal for a constant
	sigma     float64       // log-normal with median low, when above 0
}

// longest bounds the tail of a distribution.
const longest = 24 * time.Hour

// ParseLatency reads one of the three forms.
func ParseLatency(s string) (Latency, error) {
	form := fmt.Errorf("latency %q: write 300ms, 100ms..500ms or lognormal:300ms,2s", s)
	rest, lognormal := strings.CutPrefix(s, "lognormal:")
	sep := ".."
	if lognormal {
		sep = ","
	}
	a, b, two := strings.Cut(rest, sep)
	low, err := time.ParseDuration(a)
	if err != nil || low < 0 || low > longest || lognormal && !two {
		return Latency{}, form
	}
	if !two {
		return Latency{low: low, high: low}, nil
	}
	high, err := time.ParseDuration(b)
	if err != nil || high < low || high > longest || lognormal && low == 0 {
		return Latency{}, form
	}
	if lognormal {
		const z99 = 2.3263478740408408 // 99th percentile of the normal distribution
		return Latency{low: low, high: high, sigma: math.Log(float64(high)/float64(low)) / z99}, nil
	}
	return Latency{low: low, high: high}, nil
}

// Constant is a latency that is always d.
func Constant(d time.Duration) Latency { return Latency{low: d, high: d} }

// Draw is one duration of the distribution.
func (l Latency) Draw(r *rand.Rand) time.Duration {
	switch {
	case l.sigma > 0:
		return time.Duration(min(float64(l.low)*math.Exp(l.sigma*r.NormFloat64()), float64(longest)))
	case l.high > l.low:
		return l.low + time.Duration(r.Int64N(int64(l.high-l.low)+1))
	}
	return l.low
}

// String is the form that ParseLatency reads.
func (l Latency) String() string {
	switch {
	case l.sigma > 0:
		return fmt.Sprintf("lognormal:%v,%v", l.low, l.high)
	case l.high > l.low:
		return fmt.Sprintf("%v..%v", l.low, l.high)
	}
	return l.low.String()
}

// MarshalText and UnmarshalText make it a text in JSON and in flags.
func (l Latency) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (l *Latency) UnmarshalText(b []byte) (err error) {
	*l, err = ParseLatency(string(b))
	return err
}
