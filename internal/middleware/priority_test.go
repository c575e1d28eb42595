package middleware_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/priority"
)

// priorityOf returns the priority that a request with this key and header gets.
func priorityOf(t *testing.T, cfg middleware.Config, keys *middleware.Keys, key, name,
	value string) (got priority.Class) {
	t.Helper()
	h := chain(func(c *gin.Context) { got = middleware.InfoFrom(c.Request.Context()).Priority },
		middleware.RequestID(), middleware.Identity(cfg, keys, fail))
	if w := post(h, "X-Api-Key", key, name, value); w.Code != http.StatusOK {
		t.Fatalf("key %s gets %d", key, w.Code)
	}
	return got
}

func TestPriorityIsTheTiersOrLower(t *testing.T) {
	t.Parallel()
	tiers := []string{"free", "pro", "enterprise"}
	keys := newKeys(t, keyLine(tiers[0], "ada", tiers[0])+keyLine(tiers[1], "bob", tiers[1])+
		keyLine(tiers[2], "eve", tiers[2]))
	const low, normal, high = priority.Low, priority.Normal, priority.High
	for asked, want := range map[string][3]priority.Class{ // free, pro, enterprise
		"":            {low, normal, high},
		"high":        {low, normal, high},
		"normal":      {low, normal, normal},
		" LOW ":       {low, low, low},
		"u=0":         {low, normal, high},
		"u=3, i":      {low, normal, high}, // the default of RFC 9218, which asks for nothing
		"i, u=4":      {low, normal, normal},
		"u=5":         {low, normal, normal},
		"u=7":         {low, low, low},
		"u=8":         {low, normal, high},
		"u=-1":        {low, normal, high},
		"nonsense,,=": {low, normal, high},
	} {
		for _, name := range []string{"X-Priority", "Priority"} {
			for i, tier := range tiers {
				if got := priorityOf(t, config(), keys, tier, name, asked); got != want[i] {
					t.Errorf("%s asks with %s: %q and gets %s, want %s", tier, name, asked, got, want[i])
				}
			}
		}
	}
}

func TestXPriorityWinsOverPriority(t *testing.T) {
	t.Parallel()
	var got priority.Class
	h := chain(func(c *gin.Context) { got = middleware.InfoFrom(c.Request.Context()).Priority },
		middleware.RequestID(), middleware.Identity(config(), newKeys(t, keyLine("k", "ada", "enterprise")), fail))
	post(h, "X-Api-Key", "k", "X-Priority", "low", "Priority", "u=0")
	if got != priority.Low {
		t.Errorf("X-Priority: low and Priority: u=0 give %s", got)
	}
}

func TestTheOnlyTierHasNormalPriority(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TierRates = map[string]int{"pro": 5}
	if got := priorityOf(t, cfg, newKeys(t, keyLine("k", "ada", "pro")), "k", "X-Other", ""); got != priority.Normal {
		t.Errorf("the only tier has priority %s", got)
	}
}
