package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// redisServer is a real redis-server under measurement.
type redisServer struct {
	*redistest.Server
	dir string
	rdb *redis.Client
}

// startRedis starts a redis-server on a free port of this machine.
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

// usage is the work that Redis has done so far, from INFO.
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

// measure has so many callers, each with its own connection, do the work for the time d. It returns how often the work
// was done and what it cost Redis.
func (s *redisServer) measure(ctx context.Context, w work, callers int, d time.Duration) (
	done int, spent usage, err error) {
	// One client with as many connections as there are callers.
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), PoolSize: callers,
		ReadTimeout: 10 * time.Second, PoolTimeout: 10 * time.Second})
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
	round(time.Now().Add(d / 5)) // to make connections and load scripts
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
	fmt.Fprintln(w, "| what | within the script, µs | Redis in all, µs, 64 connections | 1,000 connections | "+
		"a second, one core |\n|---|---:|---:|---:|---:|")
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
