package middleware_test

import (
	"net/http"
	"testing"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestPriorityIsTheTiersOrLower(t *testing.T) {
	t.Parallel()
	const low, normal, high = middleware.Low, middleware.Normal, middleware.High
	for asked, want := range map[string][3]middleware.Class{ // free, pro, enterprise
		"":            {low, normal, high},
		"high":        {low, normal, high},
		"normal":      {low, normal, normal},
		" LOW ":       {low, low, low},
		"u=0":         {low, normal, high},
		"u=3, i":      {low, normal, high}, // the default of RFC 9218: nothing was asked for
		"i, u=4":      {low, normal, normal},
		"u=5":         {low, normal, normal},
		"u=7":         {low, low, low},
		"u=8":         {low, normal, high},
		"u=-1":        {low, normal, high},
		"nonsense,,=": {low, normal, high},
	} {
		for _, name := range []string{"X-Priority", "Priority"} {
			header := http.Header{name: {asked}}
			for i, tier := range []string{"free", "pro", "enterprise"} {
				if got := config().ClassOf(header, tier); got != want[i] {
					t.Errorf("%s asks with %s: %q and gets %s, want %s", tier, name, asked, got, want[i])
				}
			}
		}
	}
	if got := config().ClassOf(http.Header{"X-Priority": {"low"}, "Priority": {"u=0"}}, "pro"); got != low {
		t.Errorf("X-Priority does not win: %s", got)
	}
	one := middleware.Config{TierRates: map[string]int{"standard": 5}}
	if got := one.ClassOf(http.Header{}, "standard"); got != normal {
		t.Errorf("the only tier has priority %s", got)
	}
}
