package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// keyedVendor accepts some keys, and remembers the keys of its calls.
type keyedVendor struct {
	sim http.Handler

	mu     sync.Mutex
	accept map[string]bool
	seen   map[string]bool
}

func (v *keyedVendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	v.mu.Lock()
	ok := v.accept[key]
	v.seen[key] = true
	v.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	v.sim.ServeHTTP(w, r)
}

func (v *keyedVendor) saw(key string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen[key]
}

// replace accepts another key in place of one. Calls that come while write is under way are decided after it.
func (v *keyedVendor) replace(former, key string, write func(key string)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	write(key)
	delete(v.accept, former)
	v.accept[key] = true
}

func (v *keyedVendor) revoke(key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.accept, key)
}

// TestSecretsAreFollowed: the keys of two lanes and the URL of Redis are rotated under load. No request fails. A file
// that cannot be used later is reported and changes nothing.
func TestSecretsAreFollowed(t *testing.T) {
	t.Parallel()
	sim, url := judge(t, vendorsim.Config{})
	vendor := &keyedVendor{sim: sim, seen: map[string]bool{},
		accept: map[string]bool{"sk-1": true, "sk-2": true, "mini-1": true, "mini-2": true}}
	server := httptest.NewServer(vendor)
	t.Cleanup(server.Close)
	_, path, _ := strings.Cut(url, "/v1/")
	first, second := redistest.Start(t), redistest.Start(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	p := start(t, production(t, first, server.URL+"/v1/"+path, "LLM_REDIS_URL=", "LLM_VENDOR_API_KEY=",
		"LLM_REDIS_URL_FILE="+write("redis", first.URL()), "LLM_VENDOR_API_KEY_FILE="+write("key", "sk-1"),
		"LLM_LANES=mini", "LLM_LANE_MINI_MODELS=mini", "LLM_LANE_MINI_QUOTA_REQUESTS=0",
		"LLM_LANE_MINI_VENDOR_API_KEY_FILE="+write("mini", "mini-1")))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	for _, model := range []string{"m", "mini"} {
		clients.Go(func() {
			for ctx.Err() == nil {
				code, body, err := post(context.WithoutCancel(ctx), http.DefaultClient, p.URL,
					strings.Replace(question, `"m"`, `"`+model+`"`, 1))
				if err != nil || code != http.StatusOK {
					t.Errorf("model %s: %d %s %v", model, code, body, err)
					return
				}
			}
		})
	}
	await.True(t, "both keys are used", func() bool { return vendor.saw("sk-1") && vendor.saw("mini-1") })
	write("key", "sk-2")
	write("mini", "mini-2")
	await.True(t, "both new keys are used", func() bool { return vendor.saw("sk-2") && vendor.saw("mini-2") })
	p.says("vendor API key reloaded")
	calls := sim.Stats().Calls
	await.True(t, "calls with the former keys have ended", func() bool { return sim.Stats().Calls > calls+10 })
	vendor.revoke("sk-1")
	vendor.revoke("mini-1")
	write("redis", second.URL())
	await.True(t, "the other Redis is used", func() bool { return second.Client().DBSize(t.Context()).Val() > 0 })
	stop()
	clients.Wait()

	for name, part := range map[string]string{"key": "vendor", "mini": "vendor", "redis": "redis"} {
		write(name, "")
		await.True(t, "/readyz?verbose names the file "+name, func() bool {
			_, body := get(t, p.Admin+"/readyz?verbose")
			var report struct{ Parts map[string]string }
			return json.Unmarshal([]byte(body), &report) == nil &&
				strings.Contains(report.Parts[part], filepath.Join(dir, name)+": the file is empty")
		})
	}
	for _, name := range []string{"llm_vendor_key_stale_seconds", "llm_redis_url_stale_seconds"} {
		await.True(t, name, func() bool { return metric(t, p, name) > 0 })
	}
	if code, body, err := post(t.Context(), http.DefaultClient, p.URL, question); err != nil || code != http.StatusOK {
		t.Errorf("with files that cannot be used: %d %s %v", code, body, err)
	}
	p.terminate()
	if code := p.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestARotationWithoutOverlap: the vendor puts an end to the former key at the moment in which the file has the new
// one. Of the calls that are under way with the former key none fails, streamed or not.
func TestARotationWithoutOverlap(t *testing.T) {
	t.Parallel()
	sim, url := judge(t, vendorsim.Config{})
	vendor := &keyedVendor{sim: sim, seen: map[string]bool{}, accept: map[string]bool{"sk-0": true}}
	server := httptest.NewServer(vendor)
	t.Cleanup(server.Close)
	_, path, _ := strings.Cut(url, "/v1/")
	file := filepath.Join(t.TempDir(), "key")
	write := func(key string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write("sk-0")
	p := start(t, production(t, redistest.Start(t), server.URL+"/v1/"+path,
		"LLM_VENDOR_API_KEY=", "LLM_VENDOR_API_KEY_FILE="+file))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	var ended [2]atomic.Int64 // calls of each client
	for i, body := range []string{question, strings.Replace(question, "{", `{"stream":true,`, 1)} {
		clients.Go(func() {
			for ctx.Err() == nil {
				code, answer, err := post(context.WithoutCancel(ctx), http.DefaultClient, p.URL, body)
				if err != nil || code != http.StatusOK {
					t.Errorf("%d %s %v", code, answer, err)
				}
				ended[i].Add(1)
			}
		})
	}
	for i := 1; i < 10; i++ {
		key := fmt.Sprintf("sk-%d", i)
		vendor.replace(fmt.Sprintf("sk-%d", i-1), key, write)
		// A call is made with another key once: the next rotation waits for the calls that have met this one.
		before := [2]int64{ended[0].Load(), ended[1].Load()}
		await.True(t, "the new key is used", func() bool {
			return vendor.saw(key) && ended[0].Load() > before[0]+1 && ended[1].Load() > before[1]+1
		})
	}
	stop()
	clients.Wait()
	if metric(t, p, `llm_vendor_attempts_total{endpoint="chat",lane="default",result="key_changed"}`) == 0 {
		t.Error("no call was made with a key that was no longer in force: the test shows nothing")
	}
	if n := metric(t, p, `llm_vendor_attempts_total{endpoint="chat",lane="default",result="auth"}`); n != 0 {
		t.Errorf("%v refusals of the key are the operator's matter", n)
	}
}

// TestSecretFilesAreCheckedAtTheStart: a file that cannot be used is an error that names it.
func TestSecretFilesAreCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		setting, says string
	}{
		{"LLM_VENDOR_API_KEY_FILE=" + empty, "vendor API key in " + empty + ": the file is empty"},
		{"LLM_VENDOR_API_KEY_FILE=/nowhere", "vendor API key: open /nowhere"},
		{"LLM_REDIS_URL_FILE=" + empty, "LLM_REDIS_URL_FILE (" + empty + ") holds no URL: the file is empty"},
		{"LLM_REDIS_URL_FILE=/nowhere", "LLM_REDIS_URL_FILE cannot be read: open /nowhere"},
	} {
		inPlaceOf := strings.Split(strings.Replace(tt.setting, "_FILE=", "=", 1), "=")[0] + "="
		p := launch(t, production(t, redistest.Start(t), "http://vendor.test/v1/chat/completions", inPlaceOf,
			tt.setting))
		if code := p.exit(); code == 0 || !strings.Contains(p.Stderr.String(), tt.says) {
			t.Errorf("%s: exit status %d, says %s", tt.setting, code, p.Stderr.String())
		}
	}
}
