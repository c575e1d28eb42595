package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// users is the number of users that the service under measurement knows.
const users = 300

// service is the real binary with a real Redis and the simulated vendor.
type service struct {
	pod    *proctest.Process
	redis  *redisServer
	vendor *httptest.Server
	dir    string
}

func startService(binary string, settings ...string) (s *service, err error) {
	s = &service{}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.redis, err = startRedis(); err != nil {
		return s, err
	}
	vendor, err := vendorsim.New(vendorsim.Config{KeepCalls: -1})
	if err != nil {
		return s, err
	}
	s.vendor = httptest.NewServer(vendor)
	if s.dir, err = os.MkdirTemp("", "scale"); err != nil {
		return s, err
	}
	var keys strings.Builder
	for i := range users {
		fmt.Fprintf(&keys, "%x user%d enterprise\n", sha256.Sum256([]byte(key(i))), i)
	}
	file := filepath.Join(s.dir, "keys")
	if err = os.WriteFile(file, []byte(keys.String()), 0o600); err != nil {
		return s, err
	}
	env := append(os.Environ(), "LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0", "LLM_REDIS_URL="+s.redis.URL(),
		"LLM_REDIS_BUDGET=2s", "LLM_VENDOR_URL="+s.vendor.URL+"/v1/chat/completions", "LLM_VENDOR_API_KEY=none", "LLM_VENDOR_NAME=vendor", "LLM_API_KEYS_FILE="+file,
		"LLM_TIER_RATES=free:10,pro:100,enterprise:1000000000", "LLM_SLOTS=256", "LLM_PACER_RATE=1000000", "LLM_JOBS_WORKERS=0")
	if s.pod, err = proctest.Start(proctest.Program{Path: binary, Env: append(env, settings...), Keep: proctest.NoRequests}); err != nil {
		return s, err
	}
	return s, s.pod.Serving()
}

func (s *service) stop() {
	if s.pod != nil {
		s.pod.Kill()
	}
	if s.vendor != nil {
		s.vendor.Close()
	}
	if s.redis != nil {
		s.redis.stop()
	}
	_ = os.RemoveAll(s.dir)
}

func key(user int) string { return "key-" + strconv.Itoa(user) }

func (s *service) post(client *http.Client, user int) (status int, err error) {
	body := `{"model":"m","messages":[{"role":"user","content":"How many pods are there?"}],"max_tokens":64}`
	r, err := http.NewRequest(http.MethodPost, s.pod.URL+"/llm", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key(user))
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode, err
}

// load sends requests for d: at a pace when rate, per second, is above 0. It returns how many had which status.
func (s *service) load(callers int, rate float64, d time.Duration) (map[int]int, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	statuses, first := map[int]int{}, error(nil)
	start := time.Now()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := 0; ; n++ {
				if rate > 0 {
					time.Sleep(time.Until(start.Add(time.Duration(float64(n*callers+i) / rate * 1e9))))
				}
				if time.Since(start) >= d {
					return
				}
				status, err := s.post(client, (n*callers+i)%users)
				mu.Lock()
				statuses[status]++
				if err != nil && first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return statuses, first
}

// requests prints what a whole request costs Redis, asked by the real service.
func requests(ctx context.Context, w io.Writer, binary string, d time.Duration) error {
	fmt.Fprintln(w, "| requests of one pod | answered with | scripts per request | Redis in all, µs per request | requests a second, one core | at 60 % of it |\n|---|---|---:|---:|---:|---:|")
	const limit, tokens = "LLM_QUOTA_REQUESTS=600000000", "LLM_QUOTA_TOKENS=600000000000"
	for _, c := range []struct {
		name     string
		callers  int
		rate     float64
		settings []string
	}{
		{"requests limited, 200 a second", 64, 200, []string{limit}},
		{"requests limited, as fast as it goes", 64, 0, []string{limit}},
		{"requests and tokens, 10 a second", 64, 10, []string{limit, tokens}},
		{"requests and tokens, 200 a second", 64, 200, []string{limit, tokens}},
		{"requests and tokens, as fast as it goes", 64, 0, []string{limit, tokens}},
	} {
		if err := requestCost(ctx, w, binary, c.name, c.callers, c.rate, d, c.settings); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	s, err := startService(binary)
	if err != nil {
		return err
	}
	defer s.stop()
	before, err := s.redis.usage(ctx)
	if err != nil {
		return err
	}
	time.Sleep(2 * d)
	after, err := s.redis.usage(ctx)
	fmt.Fprintf(w, "\nA pod without requests runs %.1f scripts a second.\n", float64(after.scripts-before.scripts)/(2*d).Seconds())
	return err
}

func requestCost(ctx context.Context, w io.Writer, binary, name string, callers int, rate float64, d time.Duration, settings []string) error {
	s, err := startService(binary, settings...)
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.load(callers, rate, d/4); err != nil {
		return err
	}
	idle, err := s.idle(ctx)
	if err != nil {
		return err
	}
	before, err := s.redis.usage(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	statuses, err := s.load(callers, rate, d)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	after, err := s.redis.usage(ctx)
	if err != nil {
		return err
	}
	n := 0
	var kinds []string
	for status, count := range statuses {
		n += count
		kinds = append(kinds, strconv.Itoa(status))
	}
	slices.Sort(kinds)
	cost := (float64((after.cpu - before.cpu).Microseconds()) - idle*took.Seconds()) / float64(n)
	fmt.Fprintf(w, "| %s | %s | %.2f |", name, strings.Join(kinds, ", "), float64(after.scripts-before.scripts)/float64(n))
	if rate > 0 { // a Redis that is mostly asleep pays for waking up, which says nothing of a busy one
		fmt.Fprintln(w, " | | |")
	} else {
		fmt.Fprintf(w, " %.0f | %.0f | %.0f |\n", cost, 1e6/cost, 0.6e6/cost)
	}
	return nil
}

// idle is what Redis uses without any request, in microseconds a second.
func (s *service) idle(ctx context.Context) (float64, error) {
	before, err := s.redis.usage(ctx)
	if err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	after, err := s.redis.usage(ctx)
	return float64((after.cpu - before.cpu).Microseconds()), err
}

// slots prints where a Cluster would keep the keys that the service has made.
func slots(ctx context.Context, w io.Writer, binary string) error {
	s, err := startService(binary, "LLM_QUOTA_REQUESTS=600000000", "LLM_QUOTA_TOKENS=600000000000")
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.load(16, 0, 2*time.Second); err != nil {
		return err
	}
	keys, err := s.redis.rdb.Keys(ctx, "*").Result()
	if err != nil {
		return err
	}
	cluster, err := startRedis("--cluster-enabled", "yes")
	if err != nil {
		return err
	}
	defer cluster.stop()
	const all = 16384
	ofUsers, ofVendor := map[int64]bool{}, map[int64][]string{}
	var perMaster [2][16]int
	count := 0
	for _, k := range keys {
		slot, err := cluster.rdb.ClusterKeySlot(ctx, k).Result()
		switch {
		case err != nil:
			return err
		case strings.Contains(k, "llm:user:"):
			count++
			ofUsers[slot] = true
			perMaster[0][slot*3/all]++
			perMaster[1][slot*16/all]++
		case strings.Contains(k, "{"):
			ofVendor[slot] = append(ofVendor[slot], k)
		}
	}
	fmt.Fprintf(w, "%d users have their keys in %d slots; the busiest of 3 masters has %.0f %% of them (a third would be 33), the busiest of 16 has %.0f %% (6).\n",
		count, len(ofUsers), share(perMaster[0][:], count), share(perMaster[1][:], count))
	fmt.Fprintf(w, "The keys of the vendor are in %d slot:", len(ofVendor))
	for slot, names := range ofVendor {
		slices.Sort(names)
		fmt.Fprintf(w, " %d (`%s`)", slot, strings.Join(names, "`, `"))
	}
	fmt.Fprintln(w, ".")
	return nil
}

// share is that of the busiest, in percent.
func share(counts []int, all int) float64 {
	return 100 * float64(slices.Max(counts)) / float64(max(1, all))
}
