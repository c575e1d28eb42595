package redisx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
)

func open(tb testing.TB, cfg Config) *Client {
	tb.Helper()
	cfg.Pool = 64
	c, err := New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// While one master hangs, the probe of a Cluster fails, although the master of the probe's own key answers.
func TestEveryMasterOfAClusterIsProbed(t *testing.T) {
	t.Parallel()
	url, nodes := redistest.StartClusterNodes(t)
	c := open(t, Config{URL: url, Cluster: true, Budget: 200 * time.Millisecond})
	if err := c.ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes[1].Stop() // llm:probe is in slot 13614, on nodes[2]
	defer nodes[1].Cont()
	if err := c.ping(t.Context()); err == nil {
		t.Error("found well")
	}
}

// A replica answers but refuses writes. The probe must fail on it, or Redis would go away and come back again and
// again.
func TestAReplicaDoesNotPassTheProbe(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := open(t, Config{URL: server.URL(), Budget: time.Second})
	if err := c.ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Client().ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.ping(t.Context()); !isTrouble(err) {
		t.Errorf("the probe found %v", err)
	}
}

// A new connection may take longer than a command, and no request waits for it. Here the TLS handshake never ends.
func TestNoCallerWaitsForAConnectionBeyondTheBudget(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and no process answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := open(t, Config{URL: "rediss://" + l.Addr().String(), Budget: 5 * time.Millisecond})
	for !c.Away() {
		err := c.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) error { return r.Ping(ctx).Err() })
		if !errors.Is(err, errBudget) && !errors.Is(err, ErrAway) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		io.EOF:                   true,
		context.DeadlineExceeded: true,
		errBudget:                true,
		fmt.Errorf("reading: %w", os.ErrDeadlineExceeded):                                 true,
		redis.ErrPoolTimeout:                                                              true,
		&net.OpError{Op: "dial", Err: errors.New("connection refused")}:                   true,
		reply("LOADING Redis is loading the dataset in memory"):                           true,
		reply("READONLY You can't write against a read only replica. script: 6b1b, on 1"): true,
		reply("CLUSTERDOWN The cluster is down"):                                          true,
		reply("MOVED 3999 127.0.0.1:6381"):                                                true,
		reply("ERR Protocol error: unauthenticated multibulk length"):                     true,
		reply("NOAUTH Authentication required."):                                          true,
		reply("WRONGPASS invalid username-password pair or user is disabled."):            true,
		reply("ERR max number of clients reached"):                                        true,

		nil:                                  false,
		redis.Nil:                            false,
		fmt.Errorf("running: %w", redis.Nil): false,
		reply("ERR user_script:1: mine script: 4ac2, on @user_script:1."):     false,
		reply("NOPERM User app has no permissions to run the 'eval' command"): false,
		reply("OOM command not allowed when used memory > 'maxmemory'."):      false,
		reply("NOSCRIPT No matching script. Please use EVAL."):                false,
		reply("BUSYGROUP Consumer Group name already exists"):                 false,
	} {
		if isTrouble(err) != want {
			t.Errorf("%v is trouble: %v", err, !want)
		}
	}
}

// reply is an error that Redis sent.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}
