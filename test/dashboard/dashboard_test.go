package dashboard

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// panel is one panel of the dashboard.
type panel struct {
	Title, Type string
	Targets     []struct{ RefID, Expr string }
}

// panels are the panels with queries.
func panels(t *testing.T) (found []panel) {
	t.Helper()
	text, err := os.ReadFile("../../helm/spillway/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		if p.Type != "row" {
			found = append(found, p)
		}
	}
	if len(found) < 30 {
		t.Fatalf("the dashboard has %d panels", len(found))
	}
	return found
}

// chosen are the values of the dashboard's variables: all lanes.
var chosen = strings.NewReplacer("$namespace", "test", "$service", "llm-spillway",
	"$lane", ".*", "$__rate_interval", "10s")

func TestEveryPanelShowsData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, err := url.Parse(w.pod.Admin)
	if err != nil {
		t.Fatal(err)
	}
	prom := startPrometheus(t, admin.Host)
	began := time.Now()
	await.True(t, "the first scrape", func() bool { return len(prom.between(t, "llm_slots", began, time.Now())) > 0 })
	story(w)
	told := time.Now()
	await.True(t, "a scrape after the story", func() bool {
		return len(prom.between(t, "llm_redis_up == 0", told, time.Now())) > 0
	})
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			var got []series // a rate has none before the second scrape of its counter
			what := fmt.Sprintf("data of panel %q, query %s: %s", p.Title, target.RefID, target.Expr)
			await.True(t, what, func() bool {
				got = prom.between(t, chosen.Replace(target.Expr), began, time.Now())
				return len(got) > 0
			})
			t.Logf("%s %s:%s", p.Title, target.RefID, shape(got))
		}
	}
	t.Logf("the story took %v", told.Sub(began))
}
