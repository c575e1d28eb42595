package dashboard

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// binary is the path of the server program. TestMain builds it.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dashboard")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "server")
	if err := proctest.Build("../..", "./cmd/server", binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// world is one pod with two lanes, their vendors and its Redis.
type world struct {
	t             *testing.T
	pod           *proctest.Process
	first, second *vendorsim.Server
	redis         *redistest.Server
}

// tight are limits that a few requests reach.
var tight = []string{
	"LLM_SLOTS=3", "LLM_TIER_CONCURRENCY=free:4,pro:20,enterprise:40", "LLM_ADMISSION_MAX=12", "LLM_QUEUE_MAX=4",
	"LLM_QUEUE_TIMEOUT=1s", "LLM_SLA=3s", "LLM_CALL_TIMEOUT=3s",
	"LLM_STREAM_MAX=1m", "LLM_BREAKER_OPEN=500ms", "LLM_BREAKER_LEASE=5s", "LLM_PACER_RATE=20",
	"LLM_MEMORY_BUDGET=1048576", "LLM_MAX_BODY=600000",
	"LLM_JOBS_MAX_BODY=600000", "LLM_QUOTA_REQUESTS=1200", "LLM_QUOTA_TOKENS=100000000", "LLM_TIER_TOKENS=free:40",
	"LLM_TIER_RATES=free:5,pro:100000,enterprise:200000",
	"LLM_LANES=second", "LLM_FALLBACK=second", "LLM_LANE_SECOND_SLOTS_MAX=1", "LLM_LANE_SECOND_QUOTA_REQUESTS=1200",
	"LLM_LANE_SECOND_QUOTA_TOKENS=100000000", "LLM_REDIS_BUDGET=500ms",
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, redis: redistest.Start(t)}
	vendor := func() *vendorsim.Server {
		sim, err := vendorsim.Start(t.Context(), "",
			vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond), TokensPerSecond: 100})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sim.Close)
		return sim
	}
	w.first, w.second = vendor(), vendor()
	w.pod = proctest.Launch(t, proctest.Program{
		Path: binary, Args: []string{"--dev"}, Keep: proctest.NoRequests,
		Env: append([]string{
			"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0", "LLM_REDIS_URL=" + w.redis.URL(),
			"LLM_VENDOR_URL=" + w.first.URL, "LLM_LANE_SECOND_VENDOR_URL=" + w.second.URL,
			"LLM_API_KEYS_FILE=" + writeKeys(t),
		}, tight...),
	})
	if err := w.pod.Serving(); err != nil {
		t.Fatal(err)
	}
	return w
}

// users is the number of users of each tier. The key of each is the user's name.
const users = 20

// writeKeys writes the key file: dev-pro and dev-enterprise, and the crowd.
func writeKeys(t *testing.T) string {
	t.Helper()
	var lines strings.Builder
	for _, tier := range []string{"free", "pro", "enterprise"} {
		for n := range users + 1 {
			fmt.Fprintf(&lines, "%x %[2]s %s\n", sha256.Sum256([]byte(keyOf(n, tier))), keyOf(n, tier), tier)
		}
	}
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// keyOf returns the key of a user; number 0 has the key of --dev.
func keyOf(n int, tier string) string {
	if n == 0 {
		return "dev-" + tier
	}
	return fmt.Sprintf("crowd-%d-%s", n, tier)
}

// faults makes both vendors fail in the same way; without any, they work again.
func (w *world) faults(all ...vendorsim.Fault) {
	w.t.Helper()
	for _, vendor := range []*vendorsim.Server{w.first, w.second} {
		if err := vendor.SetFaults(all...); err != nil {
			w.t.Fatal(err)
		}
	}
}

const (
	chat   = `{"model":"demo","max_tokens":8,"messages":[{"role":"user","content":"Hi!"}]}`
	stream = `{"model":"demo","max_tokens":8,"stream":true,"messages":[{"role":"user","content":"Hi!"}]}`
)

// large is a chat whose body takes most of the memory for bodies.
func large() string { return strings.Replace(chat, "Hi!", strings.Repeat("Hi! ", 125_000), 1) }

// ask sends a request, reads the whole answer, and returns the code of the problem document, if it is one.
func (w *world) ask(key, body string, header ...string) (code string) {
	return w.askIn(w.t.Context(), key, body, header...)
}

// askIn is ask by a client that hangs up when ctx ends.
func (w *world) askIn(ctx context.Context, key, body string, header ...string) (code string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.pod.URL+"/llm", strings.NewReader(body))
	if err != nil {
		w.t.Error(err)
		return ""
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	var problem struct{ Code string }
	_ = json.Unmarshal(said, &problem) // a stream is no document
	return problem.Code
}

// list asks for the models.
func (w *world) list() {
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.pod.URL+"/v1/models", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer dev-pro")
	if answer, err := http.DefaultClient.Do(r); err == nil {
		answer.Body.Close()
	}
}

// crowd sends many requests at once, from many users of a tier.
func (w *world) crowd(n int, tier, body string, header ...string) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { w.ask(keyOf(i%users+1, tier), body, header...) })
	}
	all.Wait()
}

// behind does something while calls of a tier wait for a slot, or after they have stopped waiting.
func (w *world) behind(tier string, do func()) {
	var all sync.WaitGroup
	all.Go(func() { w.crowd(10, tier, chat) })
	defer all.Wait()
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	await.True(w.t, "calls wait for a slot", func() bool {
		waiting, err := w.pod.Metric("llm_slots_waiting")
		select {
		case <-ended:
			return true
		default:
			return err == nil && waiting >= 5
		}
	})
	do()
}

// refused sends requests until the answer is the problem with this code.
func (w *world) refused(code string) {
	w.t.Helper()
	codes := map[string]int{}
	began := time.Now()
	defer func() { w.t.Logf("%s took %v: %v", code, time.Since(began), codes) }()
	await.True(w.t, "an answer has the code "+code, func() bool {
		got := w.ask("dev-enterprise", chat)
		codes[got]++
		return got == code
	})
}

// until does something again and again, until a metric of the pod is above zero.
func (w *world) until(metric string, do func()) {
	w.t.Helper()
	began := time.Now()
	defer func() { w.t.Logf("%s took %v", metric, time.Since(began).Round(time.Millisecond)) }()
	await.True(w.t, metric+" is above 0", func() bool {
		do()
		n, err := w.pod.Metric(metric)
		if err != nil {
			w.t.Fatal(err)
		}
		return n > 0
	})
}
