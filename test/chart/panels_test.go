package chart_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// TestQueriesKeepToWhatIsChosen: each selects the namespace and the service, so that releases are not added up, and the
// lanes where its metric has them.
func TestQueriesKeepToWhatIsChosen(t *testing.T) {
	t.Parallel()
	exported := scrape(t)
	for where, text := range dashboardExpressions(t) {
		variable, isVariable := strings.CutPrefix(where, "variable ")
		parser.Inspect(query(t, text), func(node parser.Node, _ []parser.Node) error {
			vector, ok := node.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			chosen := func(label string, how labels.MatchType) bool {
				return slices.ContainsFunc(vector.LabelMatchers, func(m *labels.Matcher) bool {
					return m.Type == how && m.Name == label
				})
			}
			of := func(label, value string, how labels.MatchType) bool {
				return chosen(label, how) && strings.Contains(vector.String(), label+how.String()+`"`+value+`"`)
			}
			namespace, service := of("namespace", "$namespace", labels.MatchEqual), of("service", "$service",
				labels.MatchEqual)
			if isVariable { // each is chosen among what those before it leave
				namespace, service = namespace || variable == "namespace", service || variable != "lane"
			}
			if !namespace || !service {
				t.Errorf("%s: %s may be of another release", where, vector)
			}
			has := func(label string) bool { return slices.Contains(exported[vector.Name], label) }
			switch {
			case isVariable, of("lane", "$lane", labels.MatchRegexp):
			case has("lane"):
				t.Errorf("%s: %s may be of any lane", where, vector)
			case has("from") && !of("from", "$lane", labels.MatchRegexp) && !of("to", "$lane", labels.MatchRegexp):
				t.Errorf("%s: %s may be from and to any lane", where, vector)
			}
			return nil
		})
	}
}

// TestLegendsTellLinesApart: the name of a line has the labels by which its query groups, and no other.
func TestLegendsTellLinesApart(t *testing.T) {
	t.Parallel()
	for _, p := range installed(t).Panels {
		for _, target := range p.Targets {
			var named []string
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				named = append(named, m[1])
			}
			grouped := grouping(query(t, target.Expr))
			slices.Sort(named)
			slices.Sort(grouped)
			if target.LegendFormat == "" || !slices.Equal(named, grouped) {
				t.Errorf("panel %q, query %s: the legend is %q, the query groups by %v", p.Title, target.RefID,
					target.LegendFormat, grouped)
			}
		}
	}
}

// grouping are the labels that the series of a query have.
func grouping(expr parser.Expr) []string {
	switch e := expr.(type) {
	case *parser.AggregateExpr:
		return slices.DeleteFunc(slices.Clone(e.Grouping), func(l string) bool { return l == model.BucketLabel })
	case *parser.Call: // histogram_quantile
		return grouping(e.Args[len(e.Args)-1])
	case *parser.BinaryExpr:
		return grouping(e.LHS)
	}
	return nil
}

// TestUnits: the unit of a query follows from its metric and from what is done with it. A second unit in a panel has
// an axis of its own, on the right.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, p := range installed(t).Panels {
		right := map[string]string{}
		for _, o := range p.FieldConfig.Overrides {
			set := map[string]any{}
			for _, property := range o.Properties {
				set[property.ID] = property.Value
			}
			unit, _ := set["unit"].(string)
			if o.Matcher.ID != "byFrameRefID" || unit == "" || set["custom.axisPlacement"] != "right" ||
				!slices.ContainsFunc(p.Targets, func(t target) bool { return t.RefID == o.Matcher.Options }) {
				t.Errorf("panel %q: an override is of no query, or has no unit with an axis on the right", p.Title)
			}
			right[o.Matcher.Options] = unit
		}
		if units := slices.Compact(slices.Sorted(maps.Values(right))); len(units) > 1 {
			t.Errorf("panel %q has the units %v on the right", p.Title, units)
		}
		for _, target := range p.Targets {
			unit, overridden := right[target.RefID]
			if !overridden {
				unit = p.FieldConfig.Defaults.Unit
			}
			if want := units(query(t, target.Expr)); !slices.Contains(want, unit) {
				t.Errorf("panel %q, query %s has the unit %q, want one of %q", p.Title, target.RefID, unit, want)
			}
		}
	}
}

// units are the units in which Grafana may show the values of a query.
func units(expr parser.Expr) []string {
	switch e := expr.(type) {
	case *parser.ParenExpr:
		return units(e.Expr)
	case *parser.AggregateExpr:
		return units(e.Expr)
	case *parser.BinaryExpr:
		if e.Op == parser.DIV {
			return []string{"percentunit"}
		}
		return units(e.LHS)
	case *parser.Call:
		switch metric := metricIn(e); {
		case e.Func.Name == "histogram_quantile" && strings.HasSuffix(metric, "_seconds_bucket"):
			return []string{"s"}
		case e.Func.Name == "increase":
			return []string{"short"}
		case e.Func.Name == "rate":
			return ofSuffix(metric, perSecond)
		}
	case *parser.VectorSelector:
		return ofSuffix(e.Name, atOnce)
	}
	return nil
}

// The units of a counter's rate and of a gauge, by the end of its name. The last is for all others.
var (
	perSecond = []suffixUnit{
		{"_tokens_total", []string{"suffix: tokens/s"}}, {"_cpu_seconds_total", []string{"suffix: cores"}},
		{"_connections_total", []string{"suffix: connections/s"}}, {"_lines_lost_total", []string{"suffix: lines/s"}},
		{"_commands_total", []string{"ops"}}, {"_total", []string{"reqps", "ops"}},
	}
	atOnce = []suffixUnit{
		{"_seconds", []string{"s"}}, {"_bytes", []string{"bytes"}}, {"_bytes_limit", []string{"bytes"}},
		{"_ratio", []string{"percentunit"}}, {"_pressure", []string{"percentunit"}}, {"", []string{"short"}},
	}
)

type suffixUnit struct {
	suffix string
	units  []string
}

func ofSuffix(metric string, table []suffixUnit) []string {
	for _, row := range table {
		if strings.HasSuffix(metric, row.suffix) {
			return row.units
		}
	}
	return nil
}

// metricIn is the first metric within an expression.
func metricIn(expr parser.Expr) (name string) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if vector, ok := node.(*parser.VectorSelector); ok && name == "" {
			name = vector.Name
		}
		return nil
	})
	return name
}

// states are the words for the values of gauges that are no numbers.
var states = map[string][]string{
	"llm_breaker_state": {"closed", "half-open", "open"},
	"llm_redis_up":      {"away", "up"},
	"llm_redis_full":    {"room", "full"},
	"llm_ready":         {"no", "yes"},
}

// TestStatesAreWords: where one pod's state is shown, it is a word and not a number.
func TestStatesAreWords(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, p := range installed(t).Panels {
		for _, target := range p.Targets {
			all, ok := query(t, target.Expr).(*parser.AggregateExpr)
			if !ok || all.Op == parser.SUM || states[metricIn(all)] == nil {
				continue
			}
			shown[metricIn(all)] = true
			var words []string
			for _, mapping := range p.FieldConfig.Defaults.Mappings {
				for _, value := range slices.Sorted(maps.Keys(mapping.Options)) {
					words = append(words, mapping.Options[value].Text)
				}
			}
			if want := states[metricIn(all)]; !slices.Equal(words, want) || p.Type != "state-timeline" {
				t.Errorf("panel %q has the words %q, want %q over time", p.Title, words, want)
			}
		}
	}
	if len(shown) != len(states) {
		t.Errorf("only of %v a state is shown", slices.Sorted(maps.Keys(shown)))
	}
}

// TestRatiosHaveLines: where a part of something is shown, lines say from where on it is much, and at what it is all.
func TestRatiosHaveLines(t *testing.T) {
	t.Parallel()
	for _, p := range installed(t).Panels {
		shown := p.FieldConfig.Defaults
		mode := shown.Custom.ThresholdsStyle.Mode
		if shown.Unit == "percentunit" && (len(shown.Thresholds.Steps) < 3 || mode != "dashed") {
			t.Errorf("panel %q has %d steps, style %q", p.Title, len(shown.Thresholds.Steps), mode)
		}
	}
}
