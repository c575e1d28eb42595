package redisx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/redisx"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	good := redisx.Config{URL: "rediss://user:secret@host:6380/2?addr=other:6380", Budget: time.Second, Pool: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*redisx.Config){
		"REDIS_URL is missing":     func(c *redisx.Config) { c.URL = "" },
		"REDIS_URL cannot be read": func(c *redisx.Config) { c.URL = "http://user:secret@host" },
		"REDIS_MASTER":             func(c *redisx.Config) { c.Master, c.Cluster = "m", true },
		"REDIS_BUDGET":             func(c *redisx.Config) { c.Budget = 0 },
		"REDIS_POOL":               func(c *redisx.Config) { c.Pool = 0 },
	} {
		bad := good
		change(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
