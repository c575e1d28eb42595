package prove

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// Cluster is some pods, the Redis they share and the vendor they call.
type Cluster struct {
	Redis    *redistest.Server
	Vendor   *vendorsim.Server
	Timeline Timeline // what the load offered to this cluster got

	tb       testing.TB
	settings []string
	balancer *balancer
	client   *http.Client
	began    int // pods started so far
}

// usersPerTier is the number of API keys of each tier: "free-0", "free-1" and so on are both the key and the user.
const usersPerTier = 50

// defaults are the settings of every pod; a scenario changes what it is about. Times are shorter than the service's own
// defaults, in about the same proportions, so that a run takes minutes.
var defaults = []string{
	"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0",
	"LLM_SLA=10s", "LLM_CALL_TIMEOUT=5s", "LLM_QUEUE_TIMEOUT=1s", "LLM_STREAM_IDLE=5s",
	"LLM_BREAKER_LEASE=7s", "LLM_DRAIN_DELAY=1s", "LLM_SHUTDOWN_GRACE=15s",
	"LLM_TIER_RATES=free:1000000,pro:1000001,enterprise:1000002",
}

// NewCluster starts a Redis and a vendor, and no pod yet. The settings ("NAME=value") come after the defaults.
func NewCluster(tb testing.TB, vendor vendorsim.Config, settings ...string) *Cluster {
	tb.Helper()
	sim, err := vendorsim.Start(tb.Context(), "", vendor)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(sim.Close)
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

// user is the name and the key of the i-th user of a tier.
func user(tier string, i int) string { return tier + "-" + strconv.Itoa(i%usersPerTier) }

// binary is the server that pods run; the test builds it.
var binary string

// Pod is one server process.
type Pod struct {
	Name       string
	URL, Admin string

	cmd    *exec.Cmd
	stderr *tail
	exited chan struct{}
	gone   atomic.Bool // its end is expected
}

// Start starts n pods and returns when the balancer sends requests to them.
func (c *Cluster) Start(n int, settings ...string) []*Pod {
	c.tb.Helper()
	pods := make([]*Pod, n)
	var wg sync.WaitGroup
	for i := range pods {
		pods[i] = c.launch(settings)
		wg.Go(func() { pods[i].listen(c.tb) })
	}
	wg.Wait()
	for _, p := range pods {
		if p.URL == "" {
			c.tb.Fatalf("%s does not serve:\n%s", p.Name, p.stderr)
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
	c.began++
	p := &Pod{Name: fmt.Sprintf("pod-%d", c.began), stderr: newTail(), exited: make(chan struct{})}
	p.cmd = exec.Command(binary)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "LLM_VENDOR_HEADERS=X-Pod:" + p.Name}, c.settings...)
	p.cmd.Env = append(p.cmd.Env, settings...)
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		c.tb.Fatal(err)
	}
	go func() {
		err := p.cmd.Wait()
		p.stderr.close()
		if !p.gone.Load() {
			c.tb.Errorf("%s ended by itself: %v\n%s", p.Name, err, p.stderr)
		}
		close(p.exited)
	}()
	c.tb.Cleanup(func() { p.Kill() })
	return p
}

// listen waits for the line that tells where the pod listens; URL stays empty when there is none.
func (p *Pod) listen(tb testing.TB) {
	line := p.stderr.wait(tb.Context(), `"msg":"serving"`)
	var at struct {
		Addr      string `json:"addr"`
		AdminAddr string `json:"admin_addr"`
	}
	if json.Unmarshal(line, &at) == nil {
		p.URL, p.Admin = "http://"+at.Addr, "http://"+at.AdminAddr
	}
}

// Kill ends the pod with SIGKILL, as a node that dies would.
func (p *Pod) Kill() {
	p.gone.Store(true)
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.exited
}

// Terminate sends SIGTERM, as a kubelet does, and returns when the process has ended.
func (p *Pod) Terminate() {
	p.gone.Store(true)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.exited
}

// Replace starts a new pod and, when it is ready, ends the old one: what a Deployment does with maxSurge 1 and
// maxUnavailable 0. It fails when the pod did not end cleanly.
func (c *Cluster) Replace(old *Pod) *Pod {
	c.tb.Helper()
	next := c.Start(1)[0]
	old.Terminate()
	if code := old.cmd.ProcessState.ExitCode(); code != 0 {
		c.tb.Errorf("%s: exit status %d after SIGTERM\n%s", old.Name, code, old.stderr)
	}
	return next
}

// Metric is the sum over the series of a metric whose line begins with name, which may hold labels. A pod that does not
// answer gives 0.
func (p *Pod) Metric(name string) (sum float64) {
	res, err := http.Get(p.Admin + "/metrics")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err == nil {
			sum += v
		}
	}
	return sum
}

// line is a log line.
type line struct {
	Time time.Time
	Msg  string
}

// Logged are the log lines whose message begins with this, in order.
func (p *Pod) Logged(msg string) (all []line) {
	for text := range bytes.Lines(p.stderr.lines(`"msg":"` + msg)) {
		var l line
		if json.Unmarshal(text, &l) == nil {
			all = append(all, l)
		}
	}
	return all
}

// patience is how long a scenario waits for what must happen before it gives up; no bar depends on it.
const patience = time.Minute

// eventually waits for what other processes bring about.
func (c *Cluster) eventually(what string, is func() bool) {
	c.tb.Helper()
	for late := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(late) {
			c.tb.Fatalf("waited in vain: %s", what)
		}
	}
}

// tail keeps what a process writes, but for the line of each request served.
type tail struct {
	mu    sync.Mutex
	part  []byte // a line that is not whole yet
	kept  bytes.Buffer
	wrote chan struct{} // closed and replaced with every line kept
	ended bool
}

func newTail() *tail { return &tail{wrote: make(chan struct{})} }

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part = append(t.part, b...)
	for {
		line, rest, whole := bytes.Cut(t.part, []byte("\n"))
		if !whole {
			break
		}
		if !bytes.Contains(line, []byte(`"msg":"request"`)) && t.kept.Len() < 1<<20 {
			t.kept.Write(line)
			t.kept.WriteByte('\n')
			t.wake()
		}
		t.part = rest
	}
	return len(b), nil
}

func (t *tail) wake() { close(t.wrote); t.wrote = make(chan struct{}) }

func (t *tail) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.wake()
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept.String()
}

// lines are the lines that contain text.
func (t *tail) lines(text string) (found []byte) {
	for line := range strings.Lines(t.String()) {
		if strings.Contains(line, text) {
			found = append(found, line...)
		}
	}
	return found
}

// wait returns the first line that contains text, nil when ctx or the process ends before.
func (t *tail) wait(ctx context.Context, text string) []byte {
	for {
		t.mu.Lock()
		wrote, ended := t.wrote, t.ended
		t.mu.Unlock()
		if line := t.lines(text); line != nil {
			return line
		}
		if ended {
			return nil
		}
		select {
		case <-wrote:
		case <-ctx.Done():
			return nil
		}
	}
}
