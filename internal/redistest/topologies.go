package redistest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
)

// StartCluster starts a Redis Cluster of three masters and returns its URL, as REDIS_URL would be set.
func StartCluster(tb testing.TB) string {
	tb.Helper()
	url, _ := StartClusterNodes(tb)
	return url
}

// StartClusterNodes is StartCluster for tests that do something to a single node. The nodes own a third of the slots
// each, in order.
func StartClusterNodes(tb testing.TB) (url string, nodes []*Server) {
	tb.Helper()
	ctx := context.Background()
	const masters, slots = 3, 16384
	clients := make([]*redis.Client, masters)
	var bus int // of the first node
	for i := range masters {
		s, port := startNode(tb)
		nodes, clients[i] = append(nodes, s), s.Client()
		bus = cmp.Or(bus, port)
	}
	for i, c := range clients {
		must(tb, c.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err())
		must(tb, c.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", nodes[0].port, bus).Err())
	}
	for _, c := range clients {
		await.True(tb, "the cluster is whole", func() bool {
			info, err := c.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return fmt.Sprintf("%s?addr=%s&addr=%s", nodes[0].URL(), nodes[1].Addr(), nodes[2].Addr()), nodes
}

// startNode starts a server of a Cluster. Its bus gets a port of its own, because the usual one, 10000 above, may not
// exist.
func startNode(tb testing.TB) (s *Server, bus int) {
	tb.Helper()
	bus = mustPort(tb)
	return start(tb, "--save", "", "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus),
		"--cluster-node-timeout", "60000"), bus
}

// StartSentinel starts a master and a Sentinel that watches it under the name "mymaster", and returns the Sentinel's
// URL. The Sentinel itself declares no master down: on a busy machine that would be a failover that no test asked for.
func StartSentinel(tb testing.TB) (url string, master *Server) {
	tb.Helper()
	master = Start(tb)
	conf := filepath.Join(tb.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor mymaster 127.0.0.1 %d 1\nsentinel down-after-milliseconds mymaster 600000\n",
		master.port)
	must(tb, os.WriteFile(conf, []byte(text), 0o600))
	return startWith(tb, conf, "--sentinel").URL(), master
}

// Lock makes the Sentinel at url ask for a password: of the user, or of all when user is empty.
func Lock(tb testing.TB, url, user, password string) {
	tb.Helper()
	ctx := context.Background()
	sentinel := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(url, "redis://")})
	defer func() { _ = sentinel.Close() }()
	if user == "" {
		must(tb, sentinel.ACLSetUser(ctx, "default", "resetpass", ">"+password).Err())
		return
	}
	must(tb, sentinel.ACLSetUser(ctx, user, "on", ">"+password, "~*", "&*", "+@all").Err())
	must(tb, sentinel.ACLSetUser(ctx, "default", "off").Err())
}

// Failover makes the Sentinel at url hand the master's part to a replica, and returns when it has.
func Failover(tb testing.TB, url, master string) {
	tb.Helper()
	ctx := context.Background()
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: strings.TrimPrefix(url, "redis://")})
	defer func() { _ = sentinel.Close() }()
	sentinelDo := func(args ...any) error { return sentinel.Process(ctx, redis.NewCmd(ctx, args...)) }
	must(tb, sentinelDo("SENTINEL", "DEBUG", "INFO-PERIOD", "100")) // to learn of the replica soon
	before, err := sentinel.GetMasterAddrByName(ctx, master).Result()
	must(tb, err)
	await.True(tb, "the sentinel knows a replica that it can promote",
		func() bool { return sentinelDo("SENTINEL", "FAILOVER", master) == nil })
	await.True(tb, "another master is announced", func() bool {
		now, err := sentinel.GetMasterAddrByName(ctx, master).Result()
		return err == nil && !slices.Equal(now, before)
	})
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func mustPort(tb testing.TB) int {
	tb.Helper()
	port, err := freePort()
	must(tb, err)
	return port
}
