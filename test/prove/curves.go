package prove

import (
	"maps"
	"slices"
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// step is the width of the bins that rates are counted in.
const step = 500 * time.Millisecond

// rates are counts over time as a rate per second, on a time axis from began to until.
func rates(at []time.Time, began, until time.Time) plotter.XYs {
	bins := make(plotter.XYs, int(until.Sub(began)/step)) // the time after the last whole bin is left out
	for i := range bins {
		bins[i].X = (time.Duration(i)*step + step/2).Seconds()
	}
	for _, t := range at {
		if i := int(t.Sub(began) / step); i >= 0 && i < len(bins) {
			bins[i].Y += 1 / step.Seconds()
		}
	}
	return bins
}

// sliding returns for each of the times how many of them are in the window that ends there.
func sliding(at []time.Time, window time.Duration, began time.Time) (points plotter.XYs) {
	first := 0
	for i, t := range at {
		for at[first].Before(t.Add(-window)) || at[first].Equal(t.Add(-window)) {
			first++
		}
		points = append(points, plotter.XY{X: t.Sub(began).Seconds(), Y: float64(i - first + 1)})
	}
	return points
}

// level is a horizontal line from 0 to until.
func level(y, until float64) plotter.XYs { return plotter.XYs{{X: 0, Y: y}, {X: until, Y: y}} }

// slowest returns the longest time to an answer in each bin, in milliseconds.
func slowest(rs Results, began time.Time) (points plotter.XYs) {
	for _, r := range rs {
		i := int(r.At.Sub(began) / step)
		for len(points) <= i {
			points = append(points, plotter.XY{X: (time.Duration(len(points))*step + step/2).Seconds()})
		}
		points[i].Y = max(points[i].Y, float64(r.Took)/float64(time.Millisecond))
	}
	return points
}

// inFlight is the number of calls that have arrived and not ended, over time.
func inFlight(calls []vendorsim.Call, began time.Time) plotter.XYs {
	changes := map[time.Time]float64{}
	for _, c := range calls {
		changes[c.Arrived]++
		changes[c.Ended]--
	}
	return steps(changes, began)
}

// steps is a number over time that begins at 0 and changes at the given times.
func steps(changes map[time.Time]float64, began time.Time) (points plotter.XYs) {
	n := 0.0
	for _, at := range slices.SortedFunc(maps.Keys(changes), time.Time.Compare) {
		x := at.Sub(began).Seconds()
		points = append(points, plotter.XY{X: x, Y: n})
		n += changes[at]
		points = append(points, plotter.XY{X: x, Y: n})
	}
	return points
}

// remaining is the number of jobs that have not ended, over time.
func remaining(ended []time.Time, began time.Time) plotter.XYs {
	points := plotter.XYs{{X: 0, Y: float64(len(ended))}}
	for i, at := range slices.SortedFunc(slices.Values(ended), time.Time.Compare) {
		points = append(points, plotter.XY{X: at.Sub(began).Seconds(), Y: float64(len(ended) - i - 1)})
	}
	return points
}
