package docs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/live"
)

const dashboardFile = "helm/spillway/files/dashboard.json"

// around are the rows of the dashboard that are no step of a request's way: the first one, and those after the way.
var around = [2][]string{{"what callers see"}, {"redis", "jobs", "memory"}}

// dashboardPanel is a row or a panel of the Grafana dashboard.
type dashboardPanel struct {
	Title, Type string
	Links       []struct{ URL string }
	Targets     []struct{ Expr string }
}

func dashboardPanels(t *testing.T) (all []dashboardPanel) {
	t.Helper()
	var dashboard struct{ Panels []dashboardPanel }
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

// rowOf is the name in the title of a row, which may go on with what the row is about.
func rowOf(p dashboardPanel) string {
	name, _, _ := strings.Cut(p.Title, ":")
	return name
}

// TestDashboardFollowsThePicture: the dashboard has a row for each step of the picture, in its order and with its name,
// and each has panels. The row says so where the step is shared by all pods.
func TestDashboardFollowsThePicture(t *testing.T) {
	t.Parallel()
	var want, got []string
	shared := map[string]bool{"jobs": true}
	want = append(want, around[0]...)
	for _, step := range append(slices.Clone(cluster), live.Way()...) {
		want = append(want, step.Title)
		shared[step.Title] = step.Shared
	}
	want = append(want, around[1]...)
	all := dashboardPanels(t)
	for i, p := range all {
		if p.Type != "row" {
			continue
		}
		name := strings.ToLower(rowOf(p))
		got = append(got, name)
		if says := strings.HasSuffix(p.Title, "shared by all pods"); says != shared[name] {
			t.Errorf("the row %q: its state is shared: %v", p.Title, shared[name])
		}
		if i+1 == len(all) || all[i+1].Type == "row" {
			t.Errorf("the row %q is empty", p.Title)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the dashboard has the rows\n%q, the picture\n%q", got, want)
	}
}

// TestPanelsAreInTheirLayersRow: the metrics that have the name of a step are in its row. Those of the vendor are in
// others too.
func TestPanelsAreInTheirLayersRow(t *testing.T) {
	t.Parallel()
	row, placed := "", 0
	for _, p := range dashboardPanels(t) {
		if p.Type == "row" {
			row = strings.ToLower(rowOf(p))
		}
		for _, target := range p.Targets {
			for _, metric := range regexp.MustCompile(`(?:^|\W)llm_(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				for _, step := range live.Way() {
					if step.Name == "vendor" || !strings.HasPrefix(metric[1]+"_", step.Name+"_") {
						continue
					}
					placed++
					if row != step.Title {
						t.Errorf("panel %q shows %s in the row %q", p.Title, "llm_"+metric[1], row)
					}
				}
			}
		}
	}
	if placed < 25 {
		t.Errorf("only %d metrics have the name of a step", placed)
	}
}

// TestPanelsLeadToTheRunbook: each alert's section of docs/operations.md is linked from a panel, and each link leads to
// a section.
func TestPanelsLeadToTheRunbook(t *testing.T) {
	t.Parallel()
	linked := map[string]bool{}
	for _, p := range dashboardPanels(t) {
		for _, link := range p.Links {
			page, section, _ := strings.Cut(link.URL, "#")
			if !strings.HasSuffix(page, "/blob/main/docs/operations.md") {
				t.Errorf("panel %q leads to %s", p.Title, link.URL)
			}
			linked[section] = false
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(read(t, "docs/operations.md"), -1) {
		section := strings.ToLower(m[1])
		if _, ok := linked[section]; !ok {
			t.Errorf("no panel leads to the section %s", m[1])
		}
		linked[section] = true
	}
	for section, exists := range linked {
		if !exists {
			t.Errorf("a panel leads to the section %s, which does not exist", section)
		}
	}
}

// TestRunbookNamesPanels: what docs/operations.md names in quotes to look at is a panel or a row of the dashboard, or a
// line of the log.
func TestRunbookNamesPanels(t *testing.T) {
	t.Parallel()
	known, rows := []string{"job set aside"}, []string{}
	for _, p := range dashboardPanels(t) {
		if p.Type == "row" {
			rows = append(rows, rowOf(p))
		} else {
			known = append(known, p.Title)
		}
	}
	looks := regexp.MustCompile(`(?s)\*\*Look at\*\*.*?\*\*Do\*\*`).FindAllString(read(t, "docs/operations.md"), -1)
	text := strings.Join(strings.Fields(strings.Join(looks, " ")), " ")
	names := regexp.MustCompile(`(\brow )?"([^"]+)"`).FindAllStringSubmatch(text, -1)
	if len(names) < 25 {
		t.Errorf("the page names only %d panels", len(names))
	}
	for _, m := range names {
		if m[1] != "" && !slices.Contains(rows, m[2]) || m[1] == "" && !slices.Contains(known, m[2]) {
			t.Errorf("docs/operations.md names %s, which the dashboard does not have", m[0])
		}
	}
}

// TestDashboardAsksForReasonsThatExist: the codes and kinds of failure that queries select are those of the code.
func TestDashboardAsksForReasonsThatExist(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for _, path := range []string{"internal/api/problem.go", "internal/outcome/outcome.go", "internal/llm/errors.go",
		"internal/llm/upstream/metrics.go"} {
		code.WriteString(read(t, path))
	}
	asked := regexp.MustCompile(`\b(?:reason|result)=~?\\"([^\\]+)\\"`).FindAllStringSubmatch(read(t, dashboardFile), -1)
	if len(asked) < 8 {
		t.Errorf("only %d queries ask for reasons", len(asked))
	}
	for _, m := range asked {
		for word := range strings.SplitSeq(m[1], "|") {
			if !strings.Contains(code.String(), `"`+word+`"`) {
				t.Errorf("no request has the reason or result %s", word)
			}
		}
	}
}
