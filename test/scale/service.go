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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/openloop"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// users is the number of users with an API key.
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
		"LLM_REDIS_BUDGET=2s", "LLM_VENDOR_URL="+s.vendor.URL+"/v1/chat/completions", "LLM_VENDOR_API_KEY=none",
		"LLM_VENDOR_NAME=vendor", "LLM_API_KEYS_FILE="+file,
		"LLM_TIER_RATES=free:10,pro:100,enterprise:1000000000", "LLM_TIER_CONCURRENCY=enterprise:0", "LLM_SLOTS=256",
		"LLM_PACER_RATE=1000000", "LLM_JOBS_WORKERS=0")
	if s.pod, err = proctest.Start(proctest.Program{Path: binary,
		Env: append(env, settings...), Keep: proctest.NoRequests}); err != nil {
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

// load sends requests for the time d: rate per second, or as fast as answers come when rate is 0. It returns the number
// of answers by status.
func (s *service) load(callers int, rate float64, d time.Duration) (map[int]int, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var mu sync.Mutex
	statuses, first := map[int]int{}, error(nil)
	send := func(n int) {
		status, err := s.post(client, n%users)
		mu.Lock()
		defer mu.Unlock()
		statuses[status]++
		if err != nil && first == nil {
			first = err
		}
	}
	if rate > 0 {
		openloop.Run(ctx, rate, callers, send)
		return statuses, first
	}
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for n := i; ctx.Err() == nil; n += callers {
				send(n)
			}
		})
	}
	all.Wait()
	return statuses, first
}
