package redisx_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
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

// run is a script, which may share a round trip with others.
func run(ctx context.Context, r redis.Cmdable) error {
	return script.Run(ctx, r, []string{"key"}).Err()
}

// untilAway uses Redis until the guard has given it up.
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
			if err := c.Do(t.Context(), func(context.Context,
				redis.Cmdable) error {
				t.Error("a Redis that is away was asked")
				return nil
			}); !errors.Is(err,
				redisx.ErrAway) {
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

func TestRedisThatNeverWasThereIsNoReasonNotToStart(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, _ := connect(t, redisx.Config{URL: "redis://" + l.Addr().String()})
	untilAway(t, c)
}

// Many callers at the moment Redis hangs: all come back, those that share a round trip too.
func TestNobodyHangsWithRedis(t *testing.T) {
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

// One lost connection fails all that were on it, and is one failure: the others go on with Redis.
func TestALostConnectionCountsOnce(t *testing.T) {
	t.Parallel()
	proxy := newCutter(t, redistest.Start(t).Addr())
	c, _ := connect(t, redisx.Config{URL: "redis://" + proxy.addr, Budget: time.Second})
	if err := c.Do(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for failed == 0 { // until enough came together
		var wg sync.WaitGroup
		errs := make([]error, 256)
		for i := range errs {
			wg.Go(func() { errs[i] = c.Do(t.Context(), run) })
		}
		wg.Wait()
		for _, err := range errs {
			if errors.Is(err, redisx.ErrAway) {
				t.Fatal("one lost connection, and Redis is away")
			}
			if err != nil {
				failed++
			}
		}
	}
	if failed < crowd || proxy.cut.Load() != 1 {
		t.Errorf("%d commands failed on %d connections, want at least %d on one", failed, proxy.cut.Load(), crowd)
	}
	if c.Away() {
		t.Error("Redis is away")
	}
}

// crowd is the number of scripts in one piece at which a cutter cuts.
const crowd = 4

// cutter stands between a client and Redis and breaks off the first connection that carries a crowd.
type cutter struct {
	addr string
	cut  atomic.Int32
}

func newCutter(t *testing.T, redis string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{addr: l.Addr().String()}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { _ = l.Close() })
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", redis)
			if err != nil {
				_ = client.Close()
				continue
			}
			all.Go(func() {
				_, _ = io.Copy(client, server)
				_ = client.Close()
			})
			all.Go(func() {
				defer server.Close()
				p.forward(client, server)
			})
		}
	})
	return p
}

// forward passes on what client says until it has cut its connection.
func (p *cutter) forward(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Count(buf[:n], []byte("evalsha")) >= crowd && p.cut.CompareAndSwap(0, 1) {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A command that was sent is seen to its end, whichever caller hung up meanwhile.
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

// Replies are answers, not trouble.
func TestRepliesAreNoTrouble(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, _ := connect(t, redisx.Config{URL: server.URL()})
	for range 10 {
		if err := c.Do(t.Context(), func(ctx context.Context,
			r redis.Cmdable) error {
			return r.Get(ctx, "nothing").Err()
		}); !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		if err := c.Do(t.Context(), func(ctx context.Context,
			r redis.Cmdable) error {
			return r.Eval(ctx, "error('mine')", nil).Err()
		}); err == nil {
			t.Fatal("a broken script succeeded")
		}
	}
	if c.Away() {
		t.Error("answers were taken for trouble")
	}
}

// A replica answers, but cannot serve: writing scripts fail there.
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

func TestSentinelAndCluster(t *testing.T) {
	t.Parallel()
	sentinel, _ := redistest.StartSentinel(t)
	for name, cfg := range map[string]redisx.Config{
		"sentinel": {URL: sentinel, Master: "mymaster"},
		"cluster":  {URL: redistest.StartCluster(t), Cluster: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg.Budget = time.Second
			c, _ := connect(t, cfg)
			var wg sync.WaitGroup
			for range 32 { // enough to share round trips
				wg.Go(func() {
					script := redis.NewScript("return redis.call('INCR', KEYS[1]) + redis.call('INCR', KEYS[2])")
					for range 20 {
						if err := c.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) error {
							return script.Run(ctx, r, []string{"llm:{v}:a", "llm:{v}:b"}).Err()
						}); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// After a failover the old master refuses to write, and the new one is found.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	url, master := redistest.StartSentinel(t)
	replica := redistest.Start(t)
	host, port, _ := net.SplitHostPort(master.Addr())
	if err := replica.Client().ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	c, changes := connect(t, redisx.Config{URL: url, Master: "mymaster"})
	if err := c.Do(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	redistest.Failover(t, url, "mymaster")
	for c.Do(t.Context(), set) != nil || replica.Client().Get(t.Context(), "key").Val() != "value" {
		if c.Away() {
			for away := range changes {
				if !away {
					break
				}
			}
		}
	}
	if role := replica.Client().Do(t.Context(), "ROLE").Val().([]any)[0]; role != "master" {
		t.Errorf("the replica is a %v", role)
	}
}

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

// A script that was sent may have run, so it is not sent again: one command is one booking, wherever Redis hangs.
func TestACommandIsSentOnce(t *testing.T) {
	t.Parallel()
	one := redistest.Start(t)
	url, nodes := redistest.StartClusterNodes(t)
	sentinel, master := redistest.StartSentinel(t)
	const key = "llm:{v}:count" // slot 6918
	for name, where := range map[string]struct {
		cfg    redisx.Config
		server *redistest.Server // that has the key
	}{
		"one Redis": {redisx.Config{URL: one.URL()}, one},
		"sentinel":  {redisx.Config{URL: sentinel, Master: "mymaster"}, master},
		"cluster":   {redisx.Config{URL: url, Cluster: true}, nodes[1]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := connect(t, where.cfg)
			count := func(ctx context.Context, r redis.Cmdable) error { return r.Incr(ctx, key).Err() }
			warm(t, c, count) // a repeat needs a connection that is open already
			before, err := where.server.Client().Get(t.Context(), key).Int()
			if err != nil {
				t.Fatal(err)
			}
			where.server.Stop()
			if err := c.Do(t.Context(), count); err == nil {
				t.Fatal("a Redis that hangs answered")
			}
			where.server.Cont()
			direct := where.server.Client()
			direct.Ping(t.Context()) // what was sent before it is run before the next
			if after, err := direct.Get(t.Context(), key).Int(); err != nil || after > before+1 {
				t.Errorf("one command ran %d times (%v)", after-before, err)
			}
		})
	}
}

// warm opens several connections.
func warm(t *testing.T, c *redisx.Client, f func(context.Context, redis.Cmdable) error) {
	t.Helper()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if err := c.Do(t.Context(), f); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
