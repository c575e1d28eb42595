package dashboard

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

func TestEveryPanelShowsData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, err := url.Parse(w.pod.Admin)
	if err != nil {
		t.Fatal(err)
	}
	prom := startPrometheus(t, admin.Host)
	began := time.Now()
	await.True(t, "the first scrape", func() bool { return len(prom.between(t, "llm_slots", began, time.Now())) > 1 })
	story(w)
	told := time.Now()
	await.True(t, "a scrape after the story", func() bool {
		return len(prom.between(t, "llm_redis_up == 0", told, time.Now())) > 1
	})
	d := readDashboard(t)
	checkVariables(t, prom, d)
	for _, p := range d.Panels {
		checkPanel(t, prom, p, began)
	}
	t.Logf("the story took %v", told.Sub(began))
}

// checkPanel evaluates the queries of a panel since the pod began. Each line must have a name of its own.
func checkPanel(t *testing.T, prom prometheus, p panel, began time.Time) {
	t.Helper()
	names := map[string]bool{}
	for _, q := range p.Targets {
		what := p.Title + " " + q.RefID
		var got []series
		var until time.Time // a rate has none before the second scrape of its counter
		await.True(t, "data of "+what+": "+q.Expr, func() bool {
			until = time.Now()
			got = prom.between(t, filled(q.Expr, ".*"), began, until)
			return len(got) > 0
		})
		t.Logf("%s:%s", what, shape(got))
		for _, line := range got {
			name, missing := q.name(line)
			if missing != "" || names[name] {
				t.Errorf("%s: two lines are called %q, or one has no %q: %v", what, name, missing, line.Labels)
			}
			names[name] = true
		}
		if strings.Contains(q.Expr, "$lane") {
			checkLanes(t, what, got, func(lane string) []series {
				return prom.between(t, filled(q.Expr, lane), began, until)
			})
		}
	}
}

// checkVariables evaluates what may be chosen above the panels: of this release, where there are two.
func checkVariables(t *testing.T, prom prometheus, d dashboard) {
	t.Helper()
	want := map[string][]string{
		"namespace": {"other", "test"}, "service": {"llm-spillway"}, "lane": {"default", "second"},
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		parts := ofVariable.FindStringSubmatch(v.Query)
		if parts == nil {
			t.Fatalf("the variable %s has the query %s", v.Name, v.Query)
		}
		if got := prom.values(t, parts[2], filled(parts[1], ".*")); !slices.Equal(got, want[v.Name]) {
			t.Errorf("the variable %s has the values %q, want %q: %s", v.Name, got, want[v.Name], v.Query)
		}
	}
}

// checkLanes chooses one lane after the other, and then both by name. The lines must be those of all lanes that are of
// the chosen ones.
func checkLanes(t *testing.T, what string, all []series, chosen func(lane string) []series) {
	t.Helper()
	for _, lane := range []string{"default", "second"} {
		want := 0
		for _, line := range all {
			if line.of(lane) {
				want++
			}
		}
		got := chosen(lane)
		if len(got) != want || slices.ContainsFunc(got, func(line series) bool { return !line.of(lane) }) {
			t.Errorf("%s of the lane %s: %s, want %d of%s", what, lane, shape(got), want, shape(all))
		}
	}
	if got := chosen("(default|second)"); len(got) != len(all) {
		t.Errorf("%s of both lanes: %s, want%s", what, shape(got), shape(all))
	}
}
