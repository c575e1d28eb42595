package chart_test

import (
	"strings"
	"testing"
)

// TestJobsCountInThePodsMemory: their bodies are not in the memory budget.
func TestJobsCountInThePodsMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set string
		fit bool
	}{
		{"jobs.workers=10", true},
		{"jobs.workers=12", false},
		{"jobs.workers=10,config.JOBS_MAX_BODY=8388608", false},
		{"jobs.workers=1,config.JOBS_MAX_BODY=8388608", true},
		{"jobs.workers=40,jobs.enabled=false", true},
		{"jobs.workers=40,resources.limits.memory=384Mi", true},
	} {
		_, err := render4(values(t, "simulated", c.set), nil)
		if refused := err != nil && strings.Contains(err.Error(), "that a pod can need"); refused == c.fit {
			t.Errorf("%s: %v", c.set, err)
		}
	}
}
