package breaker

import (
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/llm"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would write to standard error what tests provoke
	goleak.VerifyTestMain(m)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newCall() *llm.Call {
	return &llm.Call{ID: "req-1", Body: []byte(`{}`), Priority: llm.Normal}
}
