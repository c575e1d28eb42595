package redisx_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would write to standard error what tests provoke
	goleak.VerifyTestMain(m)
}

func connect(t testing.TB, cfg redisx.Config) (c *redisx.Client, changes <-chan bool) {
	t.Helper()
	if cfg.Budget == 0 {
		cfg.Budget = 2 * time.Second // a busy machine must not look like a Redis in trouble
	}
	if cfg.Pool == 0 {
		cfg.Pool = 32
	}
	c, err := redisx.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	told := make(chan bool, 100)
	c.OnChange(func(away bool) { told <- away })
	return c, told
}

func set(ctx context.Context, r redis.Cmdable) error { return r.Set(ctx, "key", "value", 0).Err() }

var script = redis.NewScript("return redis.call('SET', KEYS[1], 'value')")

// run runs a script, which may share a round trip with others.
func run(ctx context.Context, r redis.Cmdable) error {
	return script.Run(ctx, r, []string{"key"}).Err()
}

// untilAway runs commands until Redis counts as away.
func untilAway(t *testing.T, c *redisx.Client) {
	t.Helper()
	for !c.Away() {
		if err := c.Do(t.Context(), set); err == nil {
			t.Fatal("a Redis in trouble answered")
		}
	}
}

func TestRedisInTroubleIsSkippedAndFoundAgain(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]struct{ begin, end func(*redistest.Server) }{
		"hangs":            {(*redistest.Server).Stop, (*redistest.Server).Cont},
		"killed and empty": {(*redistest.Server).Kill, (*redistest.Server).Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			c, changes := connect(t, redisx.Config{URL: server.URL()})
			if err := c.Do(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			trouble.begin(server)
			untilAway(t, c)
			if away := <-changes; !away {
				t.Error("the first change told was a return")
			}
			unused := func(context.Context, redis.Cmdable) error {
				t.Error("a Redis that is away was asked")
				return nil
			}
			if err := c.Do(t.Context(), unused); !errors.Is(err, redisx.ErrAway) {
				t.Errorf("got %v", err)
			}
			trouble.end(server)
			if away := <-changes; away || c.Away() {
				t.Error("the return was not noticed")
			}
			if err := c.Do(t.Context(), set); err != nil {
				t.Errorf("after the return: %v", err)
			}
		})
	}
}

func TestAClientIsMadeWithoutRedis(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, _ := connect(t, redisx.Config{URL: "redis://" + l.Addr().String()})
	untilAway(t, c)
}

// Redis hangs while many callers use it. All calls return, also those that share a round trip.
func TestCallersReturnWhenRedisHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, changes := connect(t, redisx.Config{URL: server.URL()})
	var wg sync.WaitGroup
	stopped := make(chan struct{})
	for i := range 64 {
		do := set
		if i%2 == 0 {
			do = run
		}
		wg.Go(func() {
			for {
				err := c.Do(t.Context(), do)
				if errors.Is(err, redisx.ErrAway) {
					return
				}
				select {
				case <-stopped:
				default:
					if err != nil {
						t.Errorf("before Redis hung: %v", err)
						return
					}
				}
			}
		})
	}
	close(stopped)
	server.Stop()
	wg.Wait()
	<-changes
	server.Cont()
	if away := <-changes; away {
		t.Error("the return was not noticed")
	}
}

// A command that was sent runs to its end, also when its caller hangs up.
func TestAHangUpDoesNotInterruptACommand(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, _ := connect(t, redisx.Config{URL: server.URL()})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	if err := c.Do(ctx, set); err != nil {
		t.Errorf("got %v", err)
	}
}

// Error replies are answers: they do not make Redis count as away.
func TestRepliesAreNoTrouble(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, _ := connect(t, redisx.Config{URL: server.URL()})
	for range 10 {
		if err := c.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) error {
			return r.Get(ctx, "nothing").Err()
		}); !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		if err := c.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) error {
			return r.Eval(ctx, "error('mine')", nil).Err()
		}); err == nil {
			t.Fatal("a broken script succeeded")
		}
	}
	if c.Away() {
		t.Error("answers were taken for trouble")
	}
}

// A replica answers, but scripts that write fail there, so it counts as away.
func TestReadOnlyRedisIsAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, changes := connect(t, redisx.Config{URL: server.URL()})
	if err := server.Client().ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	untilAway(t, c)
	<-changes
	if err := server.Client().ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if away := <-changes; away {
		t.Error("the return was not noticed")
	}
}
