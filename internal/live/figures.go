package live

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// figures is what the registry said at one moment: the service's own metrics, by name.
type figures map[string]*dto.MetricFamily

// prefix begins the names of the service's own metrics.
const prefix = "llm_"

// gather reads the registry. Beside an error there are the metrics that could be read.
func gather(from prometheus.Gatherer) (figures, error) {
	families, err := from.Gather()
	f := figures{}
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), prefix) {
			f[family.GetName()] = family
		}
	}
	return f, err
}

// series yields the series of a metric. A lane selects those that have it as their label "lane"; "" selects all.
func (f figures) series(name, lane string) iter.Seq[*dto.Metric] {
	return func(yield func(*dto.Metric) bool) {
		for _, m := range f[name].GetMetric() {
			if lane != "" && label(m, "lane") != lane {
				continue
			}
			if !yield(m) {
				return
			}
		}
	}
}

// sum adds up the series of a counter or gauge.
func (f figures) sum(name, lane string) float64 {
	sum := 0.0
	for m := range f.series(name, lane) {
		sum += value(m)
	}
	return sum
}

// max is the largest of the series of a gauge; 0 when there is none.
func (f figures) max(name, lane string) float64 {
	most := 0.0
	for m := range f.series(name, lane) {
		most = max(most, value(m))
	}
	return most
}

// by adds up the series of a counter or gauge that have the same value of a label.
func (f figures) by(name, lane, of string) map[string]float64 {
	sums := map[string]float64{}
	for m := range f.series(name, lane) {
		sums[label(m, of)] += value(m)
	}
	return sums
}

// has reports whether there is such a metric.
func (f figures) has(name string) bool { return f[name] != nil }

// lanes are the values of the label "lane".
func (f figures) lanes() []string {
	names := map[string]bool{}
	for _, family := range f {
		for _, m := range family.GetMetric() {
			if lane := label(m, "lane"); lane != "" {
				names[lane] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// value is that of a counter or gauge.
func value(m *dto.Metric) float64 {
	if m.GetCounter() != nil {
		return m.GetCounter().GetValue()
	}
	return m.GetGauge().GetValue()
}
