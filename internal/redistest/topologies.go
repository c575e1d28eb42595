package redistest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// StartCluster starts a Redis Cluster of three masters and returns its URL, as REDIS_URL would be set.
func StartCluster(tb testing.TB) string {
	tb.Helper()
	ctx := context.Background()
	const nodes = 3
	var clients []*redis.Client
	var addrs []string
	var bus int // of the first node
	for range nodes {
		s, port := startNode(tb)
		clients, addrs = append(clients, s.Client()), append(addrs, s.Addr())
		bus = cmp.Or(bus, port)
	}
	for i, c := range clients {
		must(tb, c.ClusterAddSlotsRange(ctx, i*16384/nodes, (i+1)*16384/nodes-1).Err())
		host, port, _ := net.SplitHostPort(addrs[0])
		must(tb, c.Do(ctx, "CLUSTER", "MEET", host, port, bus).Err())
	}
	for _, c := range clients {
		until(tb, "the cluster is whole", func() bool {
			info, err := c.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return fmt.Sprintf("redis://%s?addr=%s&addr=%s", addrs[0], addrs[1], addrs[2])
}

// startNode starts a server of a Cluster. Its bus gets a port of its own, because the usual one, 10000 above, may not
// exist.
func startNode(tb testing.TB) (s *Server, bus int) {
	tb.Helper()
	bus = freePort(tb)
	return start(tb, "--save", "", "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000"), bus
}

// StartSentinel starts a master and a Sentinel that watches it under the name "mymaster", and returns the Sentinel's URL.
func StartSentinel(tb testing.TB) (url string, master *Server) {
	tb.Helper()
	master = Start(tb)
	conf := filepath.Join(tb.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor mymaster 127.0.0.1 %d 1\nsentinel down-after-milliseconds mymaster 1000\n", master.port)
	must(tb, os.WriteFile(conf, []byte(text), 0o600))
	s := &Server{tb: tb, port: freePort(tb), conf: conf, args: []string{"--sentinel"}}
	must(tb, s.run())
	tb.Cleanup(s.Kill)
	return s.URL(), master
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// until waits for a condition outside this process, of which nothing here can be told.
func until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	tb.Fatalf("waited in vain until %s", what)
}
