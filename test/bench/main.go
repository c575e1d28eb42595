//go:build linux

// Command bench measures the whole service against a bare forwarder, side by side on this machine: real processes, a real
// Redis, every layer on. The program under measurement has one core for itself, all else has the others. Rounds are interleaved and medians are printed, because machines are noisy; processor time per
// request is the least noisy figure. It says which bar a figure should reach and whether it does, and asserts nothing.
// `make bench` builds what it needs.
//
//	main.go      flags, and the programs that are measured
//	measure.go   the rounds
//	reject.go    the programs that say no
//	lanes.go     what a lane costs that is not used
//	memory.go    what a request in flight costs
//	report.go    figures, bars and tables
//	load.go      the load generator; vendor.go: who answers; wire.go, poll.go: how both do it at little cost
//	process.go   starting and asking a program; pin.go: its core; admin.go: what its admin port tells
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	b := &bench{out: os.Stdout}
	flag.IntVar(&b.rounds, "rounds", 7, "interleaved rounds of each measurement")
	flag.DurationVar(&b.length, "time", 3*time.Second, "length of one measurement")
	flag.StringVar(&b.serverPath, "server", "bin/server", "the service's binary")
	flag.StringVar(&b.barePath, "bare", "bin/bare", "the bare forwarder's binary")
	flag.StringVar(&b.besidePath, "beside", "", "another build of the service, to be measured beside this one")
	flag.BoolVar(&b.quick, "quick", false, "only compare at saturation")
	page := flag.String("write", "", "write the tables into this page too, between its bench marks")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the service at saturation to this file, for PGO")
	flag.Parse()
	if err := pin(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	var tables strings.Builder
	b.out = io.MultiWriter(os.Stdout, &tables)
	var err error
	if *profile != "" {
		err = b.profile(*profile)
	} else {
		err = b.run()
	}
	b.close()
	if err == nil && *page != "" {
		err = writeInto(*page, tables.String())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench holds what all measurements share.
type bench struct {
	rounds                           int
	length                           time.Duration
	serverPath, barePath, besidePath string
	quick                            bool
	out                              io.Writer

	dir       string
	redisAddr string
	redis     *process
	started   []*process
}

const chatBody = `{"model":"bench","messages":[{"role":"system","content":"You are a helpful assistant that answers in one sentence."},{"role":"user","content":"What does the quick brown fox do, and why does it do that again and again?"}],"max_tokens":64}`

// request is what a chat application sends: a few hundred bytes.
var request = post("bench-key", chatBody)

func (b *bench) run() error {
	if err := b.prepare(); err != nil {
		return err
	}
	bare, err := b.startBare("bare")
	if err != nil {
		return err
	}
	full, err := b.startServer("spillway", b.serverPath, nil)
	if err != nil {
		return err
	}
	lanes, err := b.startWithLanes()
	if err != nil {
		return err
	}
	targets := []*target{bare, full, lanes}
	if b.besidePath != "" {
		beside, err := b.startServer("beside", b.besidePath, nil)
		if err != nil {
			return err
		}
		targets = append(targets, beside)
	}
	if b.quick {
		return b.measure(targets, nil)
	}
	refusing, err := b.startRefusing()
	if err != nil {
		return err
	}
	refusing = append(refusing, refuser{bare, "nobody: a 404 of the bare forwarder", bytes.Replace(request, []byte("/llm"), []byte("/nil"), 1), 404, 0})
	pinging, err := b.startBare("bare, and two PINGs", b.redisAddr)
	if err != nil {
		return err
	}
	if err := b.measure(append(targets, pinging), refusing); err != nil {
		return err
	}
	return b.memory()
}

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
	key := fmt.Sprintf("%x bench enterprise\n%x limited free\n", sha256.Sum256([]byte("bench-key")), sha256.Sum256([]byte("limited-key")))
	if err := os.WriteFile(filepath.Join(b.dir, "keys"), []byte(key), 0o600); err != nil {
		return err
	}
	if b.redisAddr, err = freeAddr(); err != nil {
		return err
	}
	_, port, _ := strings.Cut(b.redisAddr, ":")
	b.redis, err = start(b.dir, "redis", b.redisAddr, nil, "redis-server", "--port", port, "--save", "", "--appendonly", "no")
	return b.keep(b.redis, err)
}

func (b *bench) keep(p *process, err error) error {
	if err == nil {
		b.started = append(b.started, p)
	}
	return err
}

// target is a program under measurement, running, with a vendor of its own.
type target struct {
	name    string
	addr    string
	admin   string
	process *process
	vendor  *vendor
}

// startServer runs the service with every layer on. Limits are far above the load: they decide every request, and admit it.
func (b *bench) startServer(name, path string, change map[string]string) (*target, error) {
	t, err := newTarget(name)
	if err != nil {
		return nil, err
	}
	if t.admin, err = freeAddr(); err != nil {
		return nil, err
	}
	settings := map[string]string{
		"ADDR": t.addr, "ADMIN_ADDR": t.admin, "PPROF": "true", "REDIS_URL": "redis://" + b.redisAddr, "REDIS_BUDGET": "500ms",
		"VENDOR_URL": t.vendor.url(), "VENDOR_API_KEY": "sk-bench", "VENDOR_NAME": "v" + strconv.Itoa(len(b.started)),
		"API_KEYS_FILE": filepath.Join(b.dir, "keys"),
		"TIER_RATES":    "free:10,pro:100,enterprise:1000000000", "TIER_CONCURRENCY": "enterprise:0", "ADMISSION_MAX": "2048", "SLOTS": "256",
		"QUOTA_REQUESTS": "600000000", "QUOTA_TOKENS": "600000000000", "PACER_RATE": "1000000",
	}
	maps.Copy(settings, change)
	env := []string{"GOMAXPROCS=1", "GOMEMLIMIT=256MiB"}
	for k, v := range settings {
		env = append(env, "LLM_"+k+"="+v)
	}
	t.process, err = start(b.dir, strconv.Itoa(len(b.started)), t.addr, env, onItsCore(path)...)
	if err == nil {
		t.process.Admin = "http://" + t.admin
	}
	return t, b.keep(t.process, err)
}

func (b *bench) startBare(name string, args ...string) (*target, error) {
	t, err := newTarget(name)
	if err != nil {
		return nil, err
	}
	argv := onItsCore(append([]string{b.barePath, t.addr, t.vendor.url()}, args...)...)
	t.process, err = start(b.dir, strconv.Itoa(len(b.started)), t.addr, []string{"GOMAXPROCS=1"}, argv...)
	return t, b.keep(t.process, err)
}

func newTarget(name string) (t *target, err error) {
	t = &target{name: name}
	if t.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	t.vendor, err = newVendor()
	return t, err
}
