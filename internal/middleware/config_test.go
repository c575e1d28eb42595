package middleware_test

import (
	"math"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	if err := config().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	bad := middleware.Config{
		ShedFree: 0.9, ShedAll: 0.7,
		TierRates: map[string]int{"free": 0, "": 3}, EndpointRates: map[string]int{"llm": 3, "/llm": -1},
		TierConcurrency: map[string]int{"entreprise": 5}, TierTokens: map[string]int{"pro": 5},
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"SLA is 0s", "ADMISSION_MAX is 0", "QUEUE_MAX is 0", "SHED_FREE is 0.9",
		`the tier ""`,
		"TIER_RATES gives free 0", "ENDPOINT_RATES gives /llm -1",
		`TIER_CONCURRENCY names the tier "entreprise", which TIER_RATES does not have`,
		`TIER_TOKENS names the tier "pro"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not said: %s", want)
		}
	}
	if second := bad.Validate(); second.Error() != err.Error() {
		t.Error("the same mistakes are told in another order")
	}
	nan := config()
	nan.ShedFree = math.NaN()
	if nan.Validate() == nil {
		t.Error("NaN was accepted")
	}
}

// TestOriginsThatNoBrowserSends are refused, each with the form that is sent.
func TestOriginsThatNoBrowserSends(t *testing.T) {
	t.Parallel()
	for origin, says := range map[string]string{
		"https://app.example": "", "http://localhost:3000": "", "http://[::1]:3000": "", "capacitor://localhost": "",
		"https://xn--bcher-kva.example:8443": "", "*": "", "null": "", "file://": "",

		"https://app.example/":    "which no browser sends: write https://app.example",
		"https://app.example/a?b": "which no browser sends: write https://app.example",
		"HTTPS://App.example:443": "which no browser sends: write https://app.example",
		"http://app.example:80":   "which no browser sends: write http://app.example",
		"app.example":             "which is no origin: use one such as https://app.example, or * for all",
		"localhost:3000":          "which is no origin",
		"//app.example":           "which is no origin",
		"https://*.example":       "which is no origin",
		"https://bücher.example":  "which is no origin",
		"https://me@app.example":  "which is no origin",
		"https://":                "which is no origin",
	} {
		c := config()
		c.CORSOrigins = []string{origin}
		err := c.Validate()
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
