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
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"SLA is 0s", "ADMISSION_MAX is 0", "QUEUE_MAX is 0", "SHED_FREE is 0.9",
		`the tier ""`,
		"TIER_RATES gives free 0", "ENDPOINT_RATES gives /llm -1"} {
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
