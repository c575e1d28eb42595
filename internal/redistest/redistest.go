// Package redistest starts real Redis servers for tests and measurements: one, one behind TLS, a Cluster, or one with a
// Sentinel. It never skips: a test that needs Redis and finds none fails and says how to get it.
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
	tb    testing.TB // nil for a program
	dir   string     // for its files
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
	s, err := launch(Server{tb: tb, dir: tb.TempDir(), conf: conf, args: args})
	if err != nil {
		tb.Fatalf("starting redis-server: %v", err)
	}
	tb.Cleanup(s.Kill)
	return s
}

// Launch starts a Redis for a program, with its files in dir. The caller kills it.
func Launch(dir string, args ...string) (*Server, error) {
	return launch(Server{dir: dir, args: append([]string{"--save", "", "--appendonly", "no"}, args...)})
}

func launch(like Server) (s *Server, err error) {
	for range attempts {
		tried := like
		s = &tried
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.run(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

var errMissing = errors.New("redis-server is not installed: `make test` installs it, or use your system's package " +
	"manager")

func (s *Server) run() error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return errMissing
	}
	var args []string
	if s.conf != "" {
		args = append(args, s.conf)
	}
	args = append(args, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir)
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
	answers := func() error {
		conn, err := net.Dial("tcp", s.Addr()) // the client would log that nothing listens yet
		if err != nil {
			return err
		}
		_ = conn.Close()
		info, err := c.Info(ctx, "server").Result()
		if err == nil && !strings.Contains(info, ours) {
			return errTaken
		}
		return err
	}
	var err error
	_, late := await.Poll(await.Limit, "redis-server answers", func() (bool, error) {
		err = answers()
		select {
		case <-s.redis.Exited():
			err = errors.New("redis-server ended")
			return true, nil
		default:
			return err == nil || errors.Is(err, errTaken), nil
		}
	})
	return cmp.Or(err, late)
}

var errTaken = errors.New("another process listens on the port")

// PID is the number of the server's process.
func (s *Server) PID() int { return s.redis.PID() }

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

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
