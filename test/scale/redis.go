package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/llm/quota"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// redisServer is a real redis-server under measurement.
type redisServer struct {
	*redistest.Server
	dir string
	rdb *redis.Client
}

// startRedis starts one on a free port of this machine.
func startRedis(args ...string) (*redisServer, error) {
	dir, err := os.MkdirTemp("", "scale")
	if err != nil {
		return nil, err
	}
	server, err := redistest.Launch(dir, append([]string{"--maxclients", "4000"}, args...)...)
	if err != nil {
		return nil, err
	}
	return &redisServer{server, dir, redis.NewClient(&redis.Options{Addr: server.Addr()})}, nil
}

func (s *redisServer) stop() {
	_ = s.rdb.Close()
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

// usage is what INFO says of the work done so far.
type usage struct {
	cpu     time.Duration // of the process, user and system
	scripts int           // EVALSHA and EVAL
	inside  time.Duration // within them
}

func (s *redisServer) usage(ctx context.Context) (u usage, err error) {
	text, err := s.rdb.Info(ctx, "cpu", "commandstats").Result()
	if err != nil {
		return u, err
	}
	for l := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(l), ":")
		switch name {
		case "used_cpu_sys", "used_cpu_user":
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return u, err
			}
			u.cpu += time.Duration(seconds * 1e9)
		case "cmdstat_evalsha", "cmdstat_eval":
			var calls, micros int
			if _, err := fmt.Sscanf(value, "calls=%d,usec=%d", &calls, &micros); err != nil {
				return u, err
			}
			u.scripts += calls
			u.inside += time.Duration(micros) * time.Microsecond
		}
	}
	return u, nil
}

// asker asks for bookings as a pod does: a model of one, on the real clock.
type asker struct {
	model   *quota.Model
	script  *redis.Script
	key     string
	tokens  int64
	wait    time.Duration
	settles bool
}

func newAsker(name string, cfg quota.Config, tokens int64, settles bool) (*asker, error) {
	cfg.Window, cfg.Shares = time.Minute, 1
	m, err := quota.NewModel(cfg, 5*time.Second, time.Now)
	if err != nil {
		return nil, err
	}
	return &asker{m, redis.NewScript(m.Script()), "llm:{" + name + "}:quota:1m0s", tokens, 0, settles}, nil
}

// ask is one round trip; what the call used is told with the next one.
func (a *asker) ask(ctx context.Context, rdb redis.Cmdable) error {
	text, err := a.script.Run(ctx, rdb, []string{a.key}, a.model.Ask(a.tokens, a.wait, 0)...).Text()
	if err != nil {
		return err
	}
	b, granted, err := a.model.Answered(text, a.tokens)
	if err == nil && granted && a.settles {
		a.model.Settle(&b, true, a.tokens/2)
	}
	return err
}

// work is one kind of command under measurement. Each caller has a state of its own where it needs one.
type work struct {
	name   string
	caller func(i int) (func(ctx context.Context, rdb redis.Cmdable) error, error)
}

// endless is a contract that nothing here uses up.
const endless = 600_000_000

// scripts are the commands a request can cost.
func scripts() []work {
	booking := func(name string, cfg quota.Config, tokens int64, settles bool) work {
		return work{name, func(int) (func(context.Context, redis.Cmdable) error, error) {
			a, err := newAsker(name, cfg, tokens, settles)
			if err != nil {
				return nil, err
			}
			return a.ask, nil
		}}
	}
	return []work{
		{"user limit", func(i int) (func(context.Context, redis.Cmdable) error, error) {
			return userLimit(i), nil
		}},
		booking("quota, requests only", quota.Config{Requests: endless}, 0, false),
		booking("quota, requests only, refused", quota.Config{Requests: 100}, 0, false),
		booking("quota, with tokens and a settlement", quota.Config{Requests: endless, Tokens: 1000 * endless}, 500, true),
		usedUp(),
		quietPod(),
	}
}

// usedUp is the answer to a call for which there are no tokens left, all of them used in the last second: the script looks
// through the whole ledger for the moment at which there will be.
func usedUp() work {
	const name, all = "quota, tokens used up, refused", 1_000_000
	var fill sync.Once
	return work{name, func(int) (func(context.Context, redis.Cmdable) error, error) {
		a, err := newAsker(name, quota.Config{Tokens: all}, 500, false)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, rdb redis.Cmdable) error {
			fill.Do(func() {
				if err = a.ask(ctx, rdb); err == nil { // now there is a state
					rdb.HIncrBy(ctx, a.key, strconv.FormatInt(time.Now().Unix(), 10), all)
					err = rdb.HIncrBy(ctx, a.key, "sum", all).Err()
				}
			})
			if err != nil {
				return err
			}
			return a.ask(ctx, rdb)
		}, nil
	}}
}

// quietPod is all that a request costs in a pod that has few: nothing rides along with anything.
func quietPod() work {
	const name = "user limit, booking and settlement, each alone"
	return work{name, func(i int) (func(context.Context, redis.Cmdable) error, error) {
		a, err := newAsker(name, quota.Config{Requests: endless, Tokens: 1000 * endless}, 500, true)
		if err != nil {
			return nil, err
		}
		limit := userLimit(i)
		return func(ctx context.Context, rdb redis.Cmdable) error {
			if err := limit(ctx, rdb); err != nil {
				return err
			}
			if err := a.ask(ctx, rdb); err != nil {
				return err
			}
			args, _ := a.model.Flush(0, true)
			return a.script.Run(ctx, rdb, []string{a.key}, args...).Err()
		}, nil
	}}
}

func userLimit(i int) func(ctx context.Context, rdb redis.Cmdable) error {
	random := rand.New(rand.NewPCG(1, uint64(i)))
	return func(ctx context.Context, rdb redis.Cmdable) error {
		_, err := redis_rate.NewLimiter(rdb).Allow(ctx, "llm:user:"+strconv.Itoa(random.IntN(10_000)), redis_rate.PerMinute(1_000_000))
		return err
	}
}

// measure lets so many callers, each with a connection of its own, do the work for a while, and returns how often it was
// done and what it cost Redis.
func (s *redisServer) measure(ctx context.Context, w work, callers int, d time.Duration) (done int, spent usage, err error) {
	// One client for all: it makes as many connections as there are callers.
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), PoolSize: callers, ReadTimeout: 10 * time.Second, PoolTimeout: 10 * time.Second})
	defer rdb.Close()
	counts, errs := make([]int, callers), make([]error, callers)
	round := func(until time.Time) {
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				do, err := w.caller(i)
				for err == nil && time.Now().Before(until) {
					err = do(ctx, rdb)
					counts[i]++
				}
				errs[i] = err
			})
		}
		all.Wait()
	}
	round(time.Now().Add(d / 5)) // connections are made, scripts loaded
	clear(counts)
	before, err := s.usage(ctx)
	if err != nil {
		return 0, before, err
	}
	round(time.Now().Add(d))
	after, err := s.usage(ctx)
	for i := range callers {
		done += counts[i]
		if err == nil {
			err = errs[i]
		}
	}
	return done, usage{after.cpu - before.cpu, after.scripts - before.scripts, after.inside - before.inside}, err
}

// commands prints what each script costs Redis: with 64 connections, and with one for each of a thousand pods.
func commands(ctx context.Context, w io.Writer, d time.Duration) error {
	fmt.Fprintln(w, "| what | within the script, µs | Redis in all, µs, 64 connections | 1,000 connections | a second, one core |\n|---|---:|---:|---:|---:|")
	for _, work := range scripts() {
		s, err := startRedis()
		if err != nil {
			return err
		}
		var cost [2]float64
		var inside float64
		for i, callers := range []int{64, 1000} {
			done, spent, err := s.measure(ctx, work, callers, d)
			if err != nil {
				s.stop()
				return fmt.Errorf("%s: %w", work.name, err)
			}
			cost[i] = float64(spent.cpu.Microseconds()) / float64(done)
			if i == 0 {
				inside = float64(spent.inside.Microseconds()) / float64(max(1, spent.scripts))
			}
		}
		s.stop()
		fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f | %.0f |\n", work.name, inside, cost[0], cost[1], 1e6/cost[1])
	}
	return nil
}
