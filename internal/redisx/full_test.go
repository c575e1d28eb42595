package redisx_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// TestLimitsAreSharedInAFullRedis fills a Redis to its maxmemory. Scripts still work, alone and in one round trip with
// others, and so do the commands of the job engine. A script with redis.pcall gets the refusal. The log, the metric and
// the status show it.
func TestLimitsAreSharedInAFullRedis(t *testing.T) {
	t.Parallel()
	server := redistest.StartFull(t)
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	c, err := redisx.New(redisx.Config{URL: server.URL(), Budget: time.Second, Pool: 8},
		slog.New(slog.NewTextHandler(&log, nil)), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range 10 {
		err := c.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) error {
			res, err := redis_rate.NewLimiter(r).Allow(ctx, "llm:user:ada", redis_rate.PerMinute(5))
			if err == nil && res.Allowed != map[bool]int{true: 1, false: 0}[n < 5] {
				t.Errorf("request %d: %d allowed", n, res.Allowed)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 8 { // the first ones while Redis is in doubt, so alone
		if err := c.Do(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	asking := redis.NewScript("local r = redis.pcall('SET', KEYS[1], 'value') return r.err or 'taken'")
	err = c.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) error {
		said, err := asking.Run(ctx, r, []string{"key"}).Text()
		if err == nil && !strings.HasPrefix(said, "OOM") {
			t.Errorf("Redis is not full: %s", said)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	background, err := c.Patient()
	if err != nil {
		t.Fatal(err)
	}
	defer background.Close()
	if n, err := background.ZAdd(t.Context(), "zset", redis.Z{Score: 1, Member: "a"}).Result(); n != 1 || err != nil {
		t.Errorf("ZADD: %d %v", n, err)
	}
	if n, err := background.ZAddXX(t.Context(), "zset", redis.Z{Score: 2, Member: "a"}).Result(); n != 0 || err != nil {
		t.Errorf("ZADD XX: %d %v", n, err)
	}
	if n, err := background.SAdd(t.Context(), "set", "a", "b").Result(); n != 2 || err != nil {
		t.Errorf("SADD: %d %v", n, err)
	}
	if score := background.ZScore(t.Context(), "zset", "a").Val(); score != 2 {
		t.Errorf("score %v", score)
	}
	if c.Away() {
		t.Error("a full Redis is skipped")
	}
	if trouble := c.Trouble(); !strings.HasPrefix(trouble, "full") {
		t.Errorf("trouble is %q", trouble)
	}
	if n := testutil.ToFloat64(gauge{t, reg, "llm_redis_full"}); n != 1 {
		t.Errorf("llm_redis_full is %v", n)
	}
	if said := log.String(); strings.Count(said, "redis is full") != 1 {
		t.Errorf("said %q", said)
	}
}

// gauge reads one metric without labels from a registry.
type gauge struct {
	t    *testing.T
	reg  *prometheus.Registry
	name string
}

func (g gauge) Describe(chan<- *prometheus.Desc) {}

func (g gauge) Collect(to chan<- prometheus.Metric) {
	families, err := g.reg.Gather()
	if err != nil {
		g.t.Error(err)
	}
	for _, family := range families {
		if family.GetName() == g.name {
			to <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.name, "", nil, nil), prometheus.GaugeValue,
				family.GetMetric()[0].GetGauge().GetValue())
		}
	}
}

// A Redis that begins to want a password has one reply for small commands and another for large ones. Both mean that it
// is away.
func TestRedisThatStartsToAskForAPasswordIsAway(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]int{"small commands": 1, "large commands": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c, changes := connect(t, redisx.Config{URL: server.URL(), Budget: time.Second})
			ask := func(ctx context.Context, r redis.Cmdable) error {
				return script.Run(ctx, r, []string{"key"}, values(args)...).Err()
			}
			if err := c.Do(t.Context(), ask); err != nil {
				t.Fatal(err)
			}
			if err := server.Client().ConfigSet(t.Context(), "requirepass", "secret").Err(); err != nil {
				t.Fatal(err)
			}
			admin := redis.NewClient(&redis.Options{Addr: server.Addr(), Password: "secret"})
			defer admin.Close()
			// Open connections stay authenticated.
			if err := admin.ClientKillByFilter(t.Context(), "TYPE", "normal").Err(); err != nil {
				t.Fatal(err)
			}
			for !c.Away() {
				if err := c.Do(t.Context(), ask); err == nil {
					t.Fatal("answered without a password")
				}
			}
			if away := <-changes; !away {
				t.Error("told of a return")
			}
		})
	}
}

// Data of a wrong type under a key of the job engine stops jobs. The log names the key.
func TestBackgroundNamesTheKeysThatRedisRefuses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var log bytes.Buffer
	c, err := redisx.New(redisx.Config{URL: server.URL(), Budget: time.Second, Pool: 8},
		slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	background, err := c.Patient()
	if err != nil {
		t.Fatal(err)
	}
	defer background.Close()
	if err := background.Set(t.Context(), "asynq:{llm:high}:pending", "by hand", 0).Err(); err != nil {
		t.Fatal(err)
	}
	pop := redis.NewScript("return redis.call('RPOPLPUSH', KEYS[1], KEYS[2])")
	for range 10 {
		if err := pop.Run(t.Context(), background,
			[]string{"asynq:{llm:high}:pending", "asynq:{llm:high}:active"}).Err(); err == nil {
			t.Fatal("not refused")
		}
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "asynq:{llm:high}:pending") ||
		!strings.Contains(said, "WRONGTYPE") {
		t.Errorf("said %q", said)
	}
	if trouble := c.Trouble(); !strings.Contains(trouble, "WRONGTYPE") {
		t.Errorf("trouble is %q", trouble)
	}
}

func values(n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = i
	}
	return all
}
