// Command bench measures the whole service against a bare forwarder, side by side on this machine: real processes, a real
// Redis, every layer on. Rounds are interleaved and medians are printed, because machines are noisy; processor time per
// request is the least noisy figure. It asserts nothing. `make bench` builds what it needs.
package main

import (
	"cmp"
	"crypto/sha256"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "interleaved rounds of each measurement")
	seconds := flag.Duration("time", 4*time.Second, "length of one measurement")
	server := flag.String("server", "bin/server", "the service's binary")
	bare := flag.String("bare", "bin/bare", "the bare forwarder's binary")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the service at saturation to this file, for PGO")
	flag.Parse()
	b := &bench{rounds: *rounds, length: *seconds, serverPath: *server, barePath: *bare}
	var err error
	if *profile != "" {
		err = b.profile(*profile)
	} else {
		err = b.run()
	}
	b.close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench holds what all measurements share.
type bench struct {
	rounds               int
	length               time.Duration
	serverPath, barePath string

	dir     string
	redis   string
	vendor  *vendor
	started []*process
}

// request is what a chat application sends: a few hundred bytes.
var request = post("bench-key", `{"model":"bench","messages":[{"role":"system","content":"You are a helpful assistant that answers in one sentence."},{"role":"user","content":"What does the quick brown fox do, and why does it do that again and again?"}],"max_tokens":64}`)

func (b *bench) close() {
	for _, p := range slices.Backward(b.started) {
		p.stop()
	}
	b.started = nil
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

func (b *bench) prepare() (err error) {
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	if b.vendor, err = newVendor(); err != nil {
		return err
	}
	key := fmt.Sprintf("%x bench enterprise\n%x limited free\n", sha256.Sum256([]byte("bench-key")), sha256.Sum256([]byte("limited-key")))
	if err := os.WriteFile(filepath.Join(b.dir, "keys"), []byte(key), 0o600); err != nil {
		return err
	}
	if b.redis, err = freeAddr(); err != nil {
		return err
	}
	_, port, _ := strings.Cut(b.redis, ":")
	return b.keep(start(b.dir, "redis", b.redis, nil, "redis-server", "--port", port, "--save", "", "--appendonly", "no"))
}

func (b *bench) keep(p *process, err error) error {
	if err == nil {
		b.started = append(b.started, p)
	}
	return err
}

// target is one of the two programs, running.
type target struct {
	name    string
	addr    string
	admin   string
	process *process
}

// startServer runs the service with every layer on. Limits are far above the load: they decide every request, and admit it.
func (b *bench) startServer(name string, change map[string]string) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	settings := map[string]string{
		"ADDR": addr, "ADMIN_ADDR": admin, "PPROF": "true", "REDIS_URL": "redis://" + b.redis, "REDIS_BUDGET": "500ms",
		"VENDOR_URL": b.vendor.url(), "VENDOR_API_KEY": "sk-bench", "VENDOR_NAME": name + strconv.Itoa(len(b.started)),
		"API_KEYS_FILE": filepath.Join(b.dir, "keys"),
		"TIER_RATES":    "free:10,pro:100,enterprise:1000000000", "ADMISSION_MAX": "2048", "SLOTS": "256",
		"QUOTA_REQUESTS": "600000000", "QUOTA_TOKENS": "600000000000", "PACER_RATE": "1000000",
	}
	maps.Copy(settings, change)
	env := []string{"GOMAXPROCS=1", "GOMEMLIMIT=256MiB"}
	for k, v := range settings {
		env = append(env, "LLM_"+k+"="+v)
	}
	p, err := start(b.dir, name, addr, env, b.serverPath)
	if err := b.keep(p, err); err != nil {
		return nil, err
	}
	return &target{"spillway", addr, admin, p}, nil
}

func (b *bench) startBare() (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := start(b.dir, "bare", addr, []string{"GOMAXPROCS=1"}, b.barePath, addr, b.vendor.url())
	if err := b.keep(p, err); err != nil {
		return nil, err
	}
	return &target{"bare", addr, "", p}, nil
}

func (b *bench) run() error {
	if err := b.prepare(); err != nil {
		return err
	}
	bare, err := b.startBare()
	if err != nil {
		return err
	}
	full, err := b.startServer("server", nil)
	if err != nil {
		return err
	}
	if err := b.compare(bare, full); err != nil {
		return err
	}
	served, err := b.cost(full, "bench-key", 200)
	if err != nil {
		return err
	}
	full.process.stop()
	if err := b.rejections(served); err != nil {
		return err
	}
	return b.memory()
}

// figures are the medians of one target.
type figures struct{ perSecond, cpu, p50, p99 []float64 }

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// conns is the number of connections of all loads.
const conns = 64

// measure runs load against t and returns it with the processor time per request in microseconds.
func measure(t *target, request []byte, rate float64, d time.Duration, want int) (result, float64, error) {
	before, err := t.process.cpu()
	if err != nil {
		return result{}, 0, err
	}
	r, err := load(t.addr, request, conns, rate, d)
	if err != nil {
		return r, 0, err
	}
	after, err := t.process.cpu()
	if err != nil {
		return r, 0, err
	}
	if r.statuses[want] != r.requests {
		return r, 0, fmt.Errorf("%s: statuses %v, want only %d", t.name, r.statuses, want)
	}
	return r, float64((after - before).Microseconds()) / float64(r.requests), nil
}

func (b *bench) compare(targets ...*target) error {
	saturated, steady := map[string]*figures{}, map[string]*figures{}
	for _, t := range targets {
		saturated[t.name], steady[t.name] = &figures{}, &figures{}
		if _, _, err := measure(t, request, 0, time.Second, 200); err != nil { // warm-up
			return err
		}
	}
	for range b.rounds {
		for _, t := range targets {
			r, cpu, err := measure(t, request, 0, b.length, 200)
			if err != nil {
				return err
			}
			f := saturated[t.name]
			f.perSecond, f.cpu = append(f.perSecond, r.perSecond()), append(f.cpu, cpu)
		}
		for _, t := range targets {
			r, cpu, err := measure(t, request, 1000, b.length, 200)
			if err != nil {
				return err
			}
			f := steady[t.name]
			f.cpu = append(f.cpu, cpu)
			f.p50 = append(f.p50, float64(r.quantile(.5).Microseconds()))
			f.p99 = append(f.p99, float64(r.quantile(.99).Microseconds()))
		}
	}
	fmt.Printf("Medians of %d interleaved rounds of %v, server on one core, 64 connections, vendor latency 0.\n\n", b.rounds, b.length)
	fmt.Println("| | bare forwarder | spillway | ratio |\n|---|---:|---:|---:|")
	row := func(what string, of map[string]*figures, pick func(*figures) []float64) {
		x, y := median(pick(of["bare"])), median(pick(of["spillway"]))
		fmt.Printf("| %s | %.0f | %.0f | %.2f |\n", what, x, y, y/cmp.Or(x, 1))
	}
	row("saturation: requests per second", saturated, func(f *figures) []float64 { return f.perSecond })
	row("saturation: CPU per request, µs", saturated, func(f *figures) []float64 { return f.cpu })
	row("1,000 requests/s: CPU per request, µs", steady, func(f *figures) []float64 { return f.cpu })
	row("1,000 requests/s: p50, µs", steady, func(f *figures) []float64 { return f.p50 })
	row("1,000 requests/s: p99, µs", steady, func(f *figures) []float64 { return f.p99 })
	fmt.Println()
	return nil
}

// rejections measures what it costs to say no, as a share of a served request at the same time.
func (b *bench) rejections(served float64) error {
	fmt.Println("| rejected by | status | CPU per request, µs | share of a served request |\n|---|---:|---:|---:|")
	for _, c := range []struct {
		name, key string
		settings  map[string]string
		status    int
		setUp     func(*target) (undo func(), err error)
	}{
		{"open breaker", "bench-key", map[string]string{"BREAKER_OPEN": "10m", "RETRY_MAX": "0"}, 503, b.openBreaker},
		{"admission", "bench-key", map[string]string{"ADMISSION_MAX": "1"}, 503, b.occupy(1, "llm_slots_in_use", 1)},
		{"shedding", "limited-key", map[string]string{"SLOTS": "1", "QUEUE_MAX": "1", "ADMISSION_MAX": "4096", "QUEUE_TIMEOUT": "50s", "CALL_TIMEOUT": "55s", "BREAKER_LEASE": "120s"}, 429, b.occupy(3, "llm_slots_waiting", 2)},
		{"user limit", "limited-key", nil, 429, nil},
	} {
		t, err := b.startServer("reject", c.settings)
		if err != nil {
			return err
		}
		undo := func() {}
		if c.setUp != nil {
			if undo, err = c.setUp(t); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		} else if _, err := load(t.addr, post(c.key, `{"a":1}`), 1, 0, 200*time.Millisecond); err != nil {
			return err
		}
		no, err := b.cost(t, c.key, c.status)
		undo()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		t.process.stop()
		fmt.Printf("| %s | %d | %.1f | %.0f %% |\n", c.name, c.status, no, 100*no/served)
	}
	fmt.Println()
	return nil
}

// cost is the median processor time of a request with the given answer.
func (b *bench) cost(t *target, key string, want int) (float64, error) {
	body := string(request[strings.Index(string(request), "{"):])
	var all []float64
	for range b.rounds {
		_, cpu, err := measure(t, post(key, body), 0, b.length/2, want)
		if err != nil {
			return 0, err
		}
		all = append(all, cpu)
	}
	return median(all), nil
}

// openBreaker lets the vendor fail until the breaker is open.
func (b *bench) openBreaker(t *target) (func(), error) {
	b.vendor.answer("500 Internal Server Error")
	defer b.vendor.answer("200 OK")
	for range 200 {
		r, err := load(t.addr, request, 16, 0, 100*time.Millisecond)
		if err != nil {
			return nil, err
		}
		if r.statuses[503] == r.requests {
			return func() {}, nil
		}
	}
	return nil, fmt.Errorf("the breaker did not open")
}

// occupy fills the server with n requests that the vendor does not answer until undo. They are there when metric says so.
func (b *bench) occupy(n int, metric string, value float64) func(*target) (func(), error) {
	return func(t *target) (func(), error) {
		hold := make(chan struct{})
		b.vendor.setHold(hold)
		for range n {
			go func() { _, _ = load(t.addr, request, 1, 0, time.Second) }()
		}
		undo := func() { b.vendor.setHold(nil); close(hold) }
		if err := waitMetric(t.admin, metric, value); err != nil {
			undo()
			return nil, err
		}
		return undo, nil
	}
}

// memory measures what a request in flight costs: 1,000 wait for the vendor.
func (b *bench) memory() error {
	const n = 1000
	t, err := b.startServer("memory", map[string]string{"SLOTS": strconv.Itoa(n)})
	if err != nil {
		return err
	}
	if _, err := load(t.addr, request, conns, 0, time.Second); err != nil {
		return err
	}
	before, err := t.process.resident()
	if err != nil {
		return err
	}
	undo, err := b.occupy(n, "llm_slots_in_use", n)(t)
	if err != nil {
		return err
	}
	defer undo()
	after, err := t.process.resident()
	if err != nil {
		return err
	}
	fmt.Printf("Memory: %.1f KiB more resident for each of %d requests in flight (%.1f MiB before, %.1f MiB then).\n",
		float64(after-before)/n/1024, n, float64(before)/(1<<20), float64(after)/(1<<20))
	return nil
}
