package chart_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// dashboard is what the tests read of the Grafana dashboard.
type dashboard struct {
	UID, Title string
	Templating struct{ List []variable }
	Panels     []panel
}

// variable is a variable of the dashboard, which is chosen above it.
type variable struct {
	Name, Type, Query string
	Current           struct{ Value any }
}

// panel is a row of the dashboard, or a panel in it.
type panel struct {
	ID                       int
	Title, Description, Type string
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              fieldConfig
	Targets                  []target
}

// target is one query of a panel.
type target struct{ RefID, Expr, LegendFormat string }

// fieldConfig says how values are shown: those of every query, and what is different for one of them.
type fieldConfig struct {
	Defaults struct {
		Unit     string
		Mappings []struct {
			Options map[string]struct{ Text string }
		}
		Thresholds struct{ Steps []struct{ Value *float64 } }
		Custom     struct{ ThresholdsStyle struct{ Mode string } }
	}
	Overrides []struct {
		Matcher    struct{ ID, Options string }
		Properties []struct {
			ID    string
			Value any
		}
	}
}

// dashboardIn finds the dashboard in an installation, and the key that it has in its ConfigMap.
func dashboardIn(tb testing.TB, r rendered) (d dashboard, key string) {
	tb.Helper()
	for _, o := range r.objects {
		if o.kind() != "ConfigMap" || !strings.HasSuffix(o.name(), "-dashboard") {
			continue
		}
		data, _ := o.at("data").(map[string]any)
		if len(data) != 1 {
			tb.Fatalf("%v has %d keys", o, len(data))
		}
		for name, text := range data {
			if err := json.Unmarshal([]byte(text.(string)), &d); err != nil {
				tb.Fatal(err)
			}
			if left := regexp.MustCompile(`@[A-Z]+@`).FindString(text.(string)); left != "" {
				tb.Errorf("%s is not filled in", left)
			}
			return d, name
		}
	}
	tb.Fatal("there is no dashboard")
	return d, ""
}

// installed is the dashboard of the release of most tests.
func installed(tb testing.TB) dashboard {
	tb.Helper()
	d, _ := dashboardIn(tb, mustRender(tb, "monitoring"))
	if len(d.Panels) < 60 {
		tb.Fatalf("the dashboard has %d panels", len(d.Panels))
	}
	return d
}

// query parses a query of the dashboard. Its variables stand within quotes, but for the interval.
func query(tb testing.TB, text string) parser.Expr {
	tb.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(text, "$__rate_interval", "1m"))
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return expr
}

// ofVariable takes the query of a variable apart: the selector, and the label whose values may be chosen.
var ofVariable = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// dashboardExpressions are the queries of all panels, by the panel's title, and those of the variables.
func dashboardExpressions(tb testing.TB) map[string]string {
	tb.Helper()
	d, found := installed(tb), map[string]string{}
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			found["panel "+p.Title+" "+t.RefID] = t.Expr
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		if parts := ofVariable.FindStringSubmatch(v.Query); parts == nil {
			tb.Errorf("the variable %s has the query %s", v.Name, v.Query)
		} else {
			found["variable "+v.Name] = "count by (" + parts[2] + ") (" + parts[1] + ")"
		}
	}
	return found
}

// TestReleasesHaveDashboardsOfTheirOwn: of two dashboards with one uid Grafana shows one, and of two files with one
// name its sidecar keeps one.
func TestReleasesHaveDashboardsOfTheirOwn(t *testing.T) {
	t.Parallel()
	valid := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)
	long := strings.Repeat("a", 42)
	seen := map[string]string{}
	for _, in := range [][2]string{{"a", "prod"}, {"b", "prod"}, {"a", "dev"}, {"a", "a-spillway"}, {"b", "a-spillway"},
		{long + "-b", "prod"}, {long + "-c", "prod"}, {"a", long}} {
		where := in[0] + " in " + in[1]
		files, err := render4As(in[0], in[1], values(t, "monitoring"), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parse(files)
		if err != nil {
			t.Fatal(err)
		}
		d, key := dashboardIn(t, r)
		if !valid.MatchString(d.UID) || key != d.UID+".json" {
			t.Errorf("%s: the uid is %q, the file %q", where, d.UID, key)
		}
		for _, unique := range []string{"uid " + d.UID, "title " + d.Title} {
			if seen[unique] != "" {
				t.Errorf("%s and %s have the same %s", where, seen[unique], unique)
			}
			seen[unique] = where
		}
		service := r.find(t, "ServiceMonitor", d.named(t, "service")).name()
		if at := d.named(t, "namespace"); at != in[1] || !strings.Contains(d.Title, service) {
			t.Errorf("%s: the dashboard %q opens at the namespace %q", where, d.Title, at)
		}
	}
	if d, _ := dashboardIn(t, mustRender(t, "monitoring", "fullnameOverride=mine")); d.UID != "mine-IN-prod" {
		t.Errorf("the uid is %q: links to the dashboard break when it changes", d.UID)
	}
}

// named is the value that a variable has when the dashboard is opened.
func (d dashboard) named(tb testing.TB, variable string) string {
	tb.Helper()
	for _, v := range d.Templating.List {
		if v.Name == variable {
			value, _ := v.Current.Value.(string)
			return value
		}
	}
	tb.Fatalf("there is no variable %s", variable)
	return ""
}

// TestPanelsAreWhole: each has a title of its own, a description and a query, and lies on no other.
func TestPanelsAreWhole(t *testing.T) {
	t.Parallel()
	ids, titles, cells := map[int]bool{}, []string{}, map[[2]int]string{}
	for _, p := range installed(t).Panels {
		if ids[p.ID] {
			t.Errorf("panel %d is there twice", p.ID)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if cells[cell] != "" || cell[0] > 23 {
					t.Errorf("%q lies on %q, or outside", p.Title, cells[cell])
				}
				cells[cell] = p.Title
			}
		}
		if p.Type != "row" && (p.Title == "" || p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("panel %d has no title, description or query", p.ID)
		}
		if slices.Contains(titles, p.Title) {
			t.Errorf("two panels are called %q", p.Title)
		}
		titles = append(titles, p.Title)
	}
}
