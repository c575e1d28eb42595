//go:build linux

package main

import (
	"maps"
	"path/filepath"
	"strconv"
)

// target is a measured program with its own vendor.
type target struct {
	name    string
	addr    string
	admin   string
	env     []string
	argv    []string
	process *process // nil until it is started
	vendor  *vendor
}

// launch starts t.
func (b *bench) launch(t *target) (err error) {
	t.process, err = launch(b.dir, strconv.Itoa(len(b.started)), t.env, onItsCores(b.cores, t.argv)...)
	if err == nil && t.admin != "" {
		t.process.Admin = "http://" + t.admin
	}
	return b.keep(t.process, err)
}

// run starts t and waits until it listens.
func (b *bench) run(t *target, err error) (*target, error) {
	if err == nil {
		err = b.launch(t)
	}
	if err == nil {
		err = t.process.listens(t.addr)
	}
	return t, err
}

// startServer runs the service with every layer on.
func (b *bench) startServer(name, path string, change map[string]string) (*target, error) {
	return b.run(b.service(name, path, change))
}

// startBare runs the bare forwarder.
func (b *bench) startBare(name string, args ...string) (*target, error) {
	return b.run(b.bareForwarder(name, args...))
}

// service is the service with every layer on. The limits are far above the load: they check and admit every request.
func (b *bench) service(name, path string, change map[string]string) (*target, error) {
	t, err := newTarget(name)
	if err != nil {
		return nil, err
	}
	if t.admin, err = freeAddr(); err != nil {
		return nil, err
	}
	settings := map[string]string{
		"ADDR": t.addr, "ADMIN_ADDR": t.admin, "PPROF": "true", "REDIS_URL": "redis://" + b.redisAddr,
		"REDIS_BUDGET": "500ms",
		"VENDOR_URL":   t.vendor.url(), "VENDOR_API_KEY": "sk-bench", "VENDOR_NAME": "v" + strconv.Itoa(len(b.started)),
		"API_KEYS_FILE": filepath.Join(b.dir, "keys"),
		"TIER_RATES":    "free:10,pro:100,enterprise:1000000000", "TIER_CONCURRENCY": "enterprise:0",
		"ADMISSION_MAX": "2048", "SLOTS": "256",
		"QUOTA_REQUESTS": "600000000", "QUOTA_TOKENS": "600000000000", "PACER_RATE": "1000000",
	}
	maps.Copy(settings, change)
	t.env, t.argv = []string{"GOMAXPROCS=" + strconv.Itoa(b.cores), "GOMEMLIMIT=256MiB"}, []string{path}
	for k, v := range settings {
		t.env = append(t.env, "LLM_"+k+"="+v)
	}
	return t, nil
}

func (b *bench) bareForwarder(name string, args ...string) (*target, error) {
	t, err := newTarget(name)
	if err != nil {
		return nil, err
	}
	t.env = []string{"GOMAXPROCS=" + strconv.Itoa(b.cores)}
	t.argv = append(append([]string{b.barePath}, args...), t.addr, t.vendor.url())
	return t, nil
}

func newTarget(name string) (t *target, err error) {
	t = &target{name: name}
	if t.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	t.vendor, err = newVendor()
	return t, err
}
