package priority_test

import (
	"testing"

	"github.com/spillway-dev/spillway/internal/priority"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for class, want := range map[priority.Class]string{priority.Low: "low", priority.Normal: "normal",
		priority.High: "high", 9: "high"} {
		if got := class.String(); got != want {
			t.Errorf("class %d is named %q, want %q", class, got, want)
		}
	}
}
