package prove

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// Cluster is some pods, the Redis they share and the vendor they call.
type Cluster struct {
	Redis    *redistest.Server
	Vendor   *vendorsim.Server
	Timeline Timeline // the results of the load on this cluster

	tb       testing.TB
	settings []string
	balancer *balancer
	client   *http.Client
	started  int // number of pods so far
}

// usersPerTier is the number of API keys of each tier: "free-0", "free-1" and so on are both the key and the user.
const usersPerTier = 50

// defaults are the settings of every pod. A scenario adds its own. Times are shorter than the service's own defaults,
// in about the same proportions, so that a run takes minutes.
var defaults = []string{
	"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0",
	"LLM_SLA=10s", "LLM_CALL_TIMEOUT=5s", "LLM_QUEUE_TIMEOUT=1s", "LLM_STREAM_IDLE=5s",
	"LLM_BREAKER_LEASE=7s", "LLM_DRAIN_DELAY=1s", "LLM_SHUTDOWN_GRACE=15s",
	"LLM_TIER_RATES=free:1000000,pro:1000001,enterprise:1000002",
}

// NewCluster starts a Redis and a vendor, but no pods. The settings ("NAME=value") override the defaults.
func NewCluster(tb testing.TB, vendor vendorsim.Config, settings ...string) *Cluster {
	tb.Helper()
	sim := NewVendor(tb, vendor)
	c := &Cluster{tb: tb, Redis: redistest.Start(tb), Vendor: sim}
	c.settings = append(append(c.settings, defaults...), "LLM_REDIS_URL="+c.Redis.URL(),
		"LLM_VENDOR_URL="+sim.URL, "LLM_VENDOR_API_KEY=none", "LLM_API_KEYS_FILE="+writeKeys(tb))
	c.settings = append(c.settings, settings...)
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
	c.client = &http.Client{Transport: transport}
	c.balancer = newBalancer()
	tb.Cleanup(func() { c.balancer.close(); transport.CloseIdleConnections() })
	return c
}

// NewVendor starts a vendor.
func NewVendor(tb testing.TB, cfg vendorsim.Config) *vendorsim.Server {
	tb.Helper()
	sim, err := vendorsim.Start(tb.Context(), "", cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(sim.Close)
	return sim
}

func writeKeys(tb testing.TB) string {
	var lines strings.Builder
	for _, tier := range []string{"free", "pro", "enterprise"} {
		for i := range usersPerTier {
			key := user(tier, i)
			hash := sha256.Sum256([]byte(key))
			fmt.Fprintf(&lines, "%s %s %s\n", hex.EncodeToString(hash[:]), key, tier)
		}
	}
	name := filepath.Join(tb.TempDir(), "keys.txt")
	if err := os.WriteFile(name, []byte(lines.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

// user returns the name of the i-th user of a tier, which is also the user's API key.
func user(tier string, i int) string { return tier + "-" + strconv.Itoa(i%usersPerTier) }

// binary is the path of the server program. TestMain builds it.
var binary string

// Pod is one server process.
type Pod struct {
	*proctest.Process
	Name string

	ending atomic.Bool // the end of the process is expected
}

// Start starts n pods and returns when the balancer sends requests to them.
func (c *Cluster) Start(n int, settings ...string) []*Pod {
	c.tb.Helper()
	pods, errs := make([]*Pod, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range pods {
		pods[i] = c.launch(settings)
		wg.Go(func() { errs[i] = pods[i].Serving() })
	}
	wg.Wait()
	for i, p := range pods {
		if errs[i] != nil {
			c.tb.Fatalf("%s does not serve: %v", p.Name, errs[i])
		}
		c.balancer.add(p)
	}
	for _, p := range pods {
		c.eventually(p.Name+" is ready", func() bool { return c.balancer.has(p) })
	}
	return pods
}

func (c *Cluster) launch(settings []string) *Pod {
	c.tb.Helper()
	c.started++
	p := &Pod{Name: fmt.Sprintf("pod-%d", c.started)}
	env := append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0",
		"LLM_VENDOR_HEADERS=X-Pod:" + p.Name}, c.settings...)
	var err error
	if p.Process, err = proctest.Start(proctest.Program{Path: binary,
		Env: append(env, settings...), Keep: proctest.NoRequests}); err != nil {
		c.tb.Fatal(err)
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		<-p.Exited()
		if !p.ending.Load() {
			c.tb.Errorf("%s ended unexpectedly:\n%s", p.Name, p.Stderr)
		}
	})
	c.tb.Cleanup(func() { p.Kill(); watch.Wait() })
	return p
}

// Kill ends the pod with SIGKILL, as when its node fails.
func (p *Pod) Kill() { p.ending.Store(true); p.Process.Kill() }

// Terminate sends SIGTERM, as a kubelet does, waits until the process has ended, and returns its exit status.
func (p *Pod) Terminate() (int, error) {
	p.ending.Store(true)
	if err := p.Process.Terminate(); err != nil {
		return 0, err
	}
	return p.Wait()
}

// Replace starts a new pod and, when that is ready, ends the old one, as a Deployment does with maxSurge 1 and
// maxUnavailable 0. The test fails when the old pod does not end cleanly.
func (c *Cluster) Replace(old *Pod) *Pod {
	c.tb.Helper()
	next := c.Start(1)[0]
	if code, err := old.Terminate(); code != 0 || err != nil {
		c.tb.Errorf("%s: exit status %d after SIGTERM (%v)\n%s", old.Name, code, err, old.Stderr)
	}
	return next
}

// Metric returns the sum over the series of a metric, or 0 when the pod does not answer.
func (p *Pod) Metric(name string) float64 {
	sum, _ := p.Process.Metric(name)
	return sum
}

// line is a log line.
type line struct {
	Time time.Time
	Msg  string
}

// Logged returns the log lines whose message begins with msg, in order.
func (p *Pod) Logged(msg string) (all []line) {
	for _, text := range p.Stderr.Lines(`"msg":"` + msg) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil {
			all = append(all, l)
		}
	}
	return all
}

// eventually waits until is reports true.
func (c *Cluster) eventually(what string, is func() bool) { c.tb.Helper(); await.True(c.tb, what, is) }
