// Package redistest starts real Redis servers for tests: one, one behind TLS, a Cluster, or one with a Sentinel. It never skips: a test
// that needs Redis and finds none fails and says how to get it.
package redistest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
)

// Server is one redis-server process.
type Server struct {
	tb    testing.TB
	port  int
	conf  string // configuration file, for what cannot be said by arguments; "" for none
	args  []string
	redis *proctest.Process // nil when killed
}

// Start starts a Redis on a free port and stops it when the test ends.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, "--save", "", "--appendonly", "no")
}

// attempts is how often another port is tried: between finding a free one and listening on it, another may take it.
const attempts = 5

func start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return startWith(tb, "", args...)
}

func startWith(tb testing.TB, conf string, args ...string) *Server {
	tb.Helper()
	var err error
	for range attempts {
		s := &Server{tb: tb, port: freePort(tb), conf: conf, args: args}
		if err = s.run(); err == nil {
			tb.Cleanup(s.Kill)
			return s
		}
	}
	tb.Fatalf("starting redis-server: %v", err)
	return nil
}

func (s *Server) run() error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.tb.Fatal("redis-server is not installed: `make test` installs it, or use your system's package manager")
	}
	var args []string
	if s.conf != "" {
		args = append(args, s.conf)
	}
	args = append(args, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.tb.TempDir())
	if s.redis, err = proctest.Start(proctest.Program{Path: path, Args: append(args, s.args...)}); err != nil {
		return err
	}
	if err := s.await(); err != nil {
		log := s.redis.Stdout
		s.Kill()
		return fmt.Errorf("%w: %s", err, log)
	}
	return nil
}

// await waits until the server answers. It asks for the process behind the port: when another took the port first, that
// one would answer too, and two tests would share it.
func (s *Server) await() error {
	ctx := context.Background()
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = c.Close() }()
	ours := fmt.Sprintf("process_id:%d\r\n", s.redis.PID())
	var failed error
	_, err := await.Poll(await.Limit, "redis-server answers", func() (bool, error) {
		info, err := c.Info(ctx, "server").Result()
		select {
		case <-s.redis.Exited():
			failed = errors.New("redis-server ended")
		default:
			if err == nil && !strings.Contains(info, ours) {
				failed = errors.New("another process listens on the port")
			}
		}
		if failed != nil {
			return true, nil
		}
		return err == nil, err
	})
	return cmp.Or(failed, err)
}

// Addr is host:port.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// URL is what REDIS_URL would be set to.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Client is a plain client of the server, closed when the test ends.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr()})
	s.tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Stop makes the server hang: connections stay, nothing is answered.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Cont lets a stopped server go on.
func (s *Server) Cont() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	if err := s.redis.Signal(sig); err != nil {
		s.tb.Errorf("%v to redis-server: %v", sig, err)
	}
}

// Kill ends the server at once; connections are refused afterwards. Killing it twice is no error.
func (s *Server) Kill() {
	if s.redis == nil {
		return
	}
	s.redis.Kill() // works on a stopped process too
	s.redis = nil
}

// Restart starts a killed server again, on the same port and empty.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	var err error
	for range attempts {
		if err = s.run(); err == nil {
			return
		}
	}
	s.tb.Fatalf("restarting redis-server: %v", err)
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// StartFull starts a Redis with a small maxmemory and noeviction, and fills it: it refuses what may take memory.
func StartFull(tb testing.TB) *Server {
	tb.Helper()
	s := StartLimited(tb, 4<<20)
	s.Fill()
	return s
}

// StartLimited starts a Redis that refuses what may take memory once it uses maxmemory bytes. Redis itself takes almost 2 MiB.
func StartLimited(tb testing.TB, maxmemory int64) *Server {
	tb.Helper()
	return start(tb, "--save", "", "--appendonly", "no",
		"--maxmemory", strconv.FormatInt(maxmemory, 10), "--maxmemory-policy", "noeviction")
}

// fillers is the key below which Fill writes.
const fillers = "redistest:fill:"

// Fill writes values until Redis refuses even the smallest.
func (s *Server) Fill() {
	s.tb.Helper()
	ctx, c := context.Background(), s.Client()
	n := 0
	for size := 256 << 10; size > 0; size /= 4 {
		for c.Set(ctx, fillers+strconv.Itoa(n), strings.Repeat("x", size), 0).Err() == nil {
			n++
		}
	}
}

// Drain removes what Fill wrote.
func (s *Server) Drain() {
	s.tb.Helper()
	ctx, c := context.Background(), s.Client()
	keys, err := c.Keys(ctx, fillers+"*").Result()
	must(s.tb, err)
	must(s.tb, c.Del(ctx, keys...).Err())
}
