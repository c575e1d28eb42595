package redisx_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

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

// The Sentinels ask for a password of their own, or for a user's. The user and the database in the URL are those of the
// Redis behind them. The first host is a Sentinel that is down. The same holds for a URL in a file.
func TestSentinelsWithAPassword(t *testing.T) {
	t.Parallel()
	const guard = "sentinels-secret"
	for name, user := range map[string]string{"of all": "", "of a user": "watcher"} {
		for _, file := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, file %t", name, file), func(t *testing.T) {
				t.Parallel()
				sentinel, master := redistest.StartSentinel(t)
				redistest.Lock(t, sentinel, user, guard)
				admin := redis.NewClient(&redis.Options{Addr: master.Addr(), DB: 2})
				defer admin.Close()
				if err := admin.ACLSetUser(t.Context(), "app", "on", ">secret", "~*", "&*", "+@all").Err(); err != nil {
					t.Fatal(err)
				}
				cfg := redisx.Config{Master: "mymaster", SentinelUsername: user, SentinelPassword: guard,
					URL: "redis://app:secret@127.0.0.1:1/2?addr=" + strings.TrimPrefix(sentinel, "redis://")}
				if file {
					cfg.URLFile = filepath.Join(t.TempDir(), "url")
					if err := os.WriteFile(cfg.URLFile, []byte(cfg.URL), 0o600); err != nil {
						t.Fatal(err)
					}
					cfg.URL = ""
				}
				c, _ := connect(t, cfg)
				if err := c.Do(t.Context(), set); err != nil {
					t.Fatal(err)
				}
				if got, err := admin.Get(t.Context(), "key").Result(); err != nil || got != "value" {
					t.Errorf("database 2 has %q, %v", got, err)
				}
			})
		}
	}
}

// After a failover the old master refuses writes, and the new one is found.
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

// A script that was sent may have run, so it is not sent again: one command makes at most one booking.
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
