package redisx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/redisx"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	good := redisx.Config{URL: "rediss://user:secret@host:6380/2?addr=other:6380", Master: "m", SentinelUsername: "app",
		SentinelPassword: "secret", Budget: time.Second, Pool: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*redisx.Config){
		"REDIS_URL is missing":           func(c *redisx.Config) { c.URL = "" },
		"REDIS_URL cannot be read":       func(c *redisx.Config) { c.URL = "http://user:secret@host" },
		"REDIS_MASTER":                   func(c *redisx.Config) { c.Master, c.Cluster = "m", true },
		"no database number":             func(c *redisx.Config) { c.URL = "rediss://user:secret@host/abc" },
		"write a / in a password as %2F": func(c *redisx.Config) { c.URL = "redis://:1/secret@host" },
		"database number 2, and a Redis Cluster has database 0 only": func(c *redisx.Config) {
			c.Master, c.SentinelUsername, c.SentinelPassword, c.Cluster = "", "", "", true
		},
		"set REDIS_MASTER if the hosts are Sentinels": func(c *redisx.Config) { // several hosts are else a Cluster
			c.Master, c.SentinelUsername, c.SentinelPassword = "", "", ""
		},
		"REDIS_SENTINEL_PASSWORD is set, and REDIS_MASTER is not": func(c *redisx.Config) { c.Master = "" },
		"REDIS_SENTINEL_PASSWORD is not":                          func(c *redisx.Config) { c.SentinelPassword = "" },
		"REDIS_SENTINEL_PASSWORD holds a line break":              func(c *redisx.Config) { c.SentinelPassword = "\n" },
		"REDIS_BUDGET": func(c *redisx.Config) { c.Budget = 0 },
		"REDIS_POOL":   func(c *redisx.Config) { c.Pool = 0 },
	} {
		bad := good
		change(&bad)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
