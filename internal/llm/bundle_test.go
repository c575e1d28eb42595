package llm_test

import (
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would write to standard error what tests provoke
	goleak.VerifyTestMain(m)
}
