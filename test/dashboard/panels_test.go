package dashboard

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// dashboard is the Grafana dashboard.
type dashboard struct {
	Templating struct{ List []variable }
	Panels     []panel
}

// variable is a variable of the dashboard, which is chosen above it.
type variable struct{ Name, Type, Query string }

// panel is one panel of the dashboard.
type panel struct {
	Title, Type string
	Targets     []target
}

// target is one query of a panel.
type target struct{ RefID, Expr, LegendFormat string }

// readDashboard reads the dashboard without its rows.
func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("../../helm/spillway/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var whole dashboard
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	d.Templating = whole.Templating
	for _, p := range whole.Panels {
		if p.Type != "row" {
			d.Panels = append(d.Panels, p)
		}
	}
	if len(d.Panels) < 60 || len(d.Templating.List) != 4 {
		t.Fatalf("the dashboard has %d panels and %d variables", len(d.Panels), len(d.Templating.List))
	}
	return d
}

// filled is a query with the values of the dashboard's variables, as Grafana writes them.
func filled(query, lane string) string {
	return strings.NewReplacer("$namespace", "test", "$service", "llm-spillway", "$lane", lane,
		"$__rate_interval", "10s").Replace(query)
}

// ofVariable takes the query of a variable apart: the selector, and the label whose values may be chosen.
var ofVariable = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// labelIn is a label in a legend.
var labelIn = regexp.MustCompile(`\{\{(\w+)\}\}`)

// name is what the legend calls a line. missing is a label that the legend names and the line does not have.
func (q target) name(s series) (name, missing string) {
	name = labelIn.ReplaceAllStringFunc(q.LegendFormat, func(found string) string {
		label := strings.Trim(found, "{}")
		if s.Labels[label] == "" {
			missing = label
		}
		return s.Labels[label]
	})
	return name, missing
}

// of reports whether a line is one of a lane, where lines have lanes.
func (s series) of(lane string) bool {
	return s.Labels["lane"] == lane || s.Labels["from"] == lane || s.Labels["to"] == lane
}
