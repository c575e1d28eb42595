package main

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/live"
	"github.com/spillway-dev/spillway/internal/live/board"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// livePage shows what the pod does. It reads the metrics once a second when it is started. name is the service's, which
// its pods share.
func livePage(name string, metrics prometheus.Gatherer, rdb *redisx.Client, log *slog.Logger,
	probeIn func() time.Duration) *live.Live {
	pod, err := os.Hostname()
	if err != nil {
		pod = "unknown"
	}
	id := pod + "-" + rand.Text() // a container that starts again has the same host name
	return live.New(live.Config{Pod: pod, Metrics: metrics, Log: log, ProbeIn: probeIn,
		Board: board.New(rdb, name, id)})
}

// told hands the page the requests that were refused or failed.
func told(page *live.Live) func(middleware.Refusal) {
	return func(r middleware.Refusal) {
		page.Refused(live.Refusal{RequestID: r.RequestID, Layer: r.Layer, Reason: r.Reason, Status: r.Status, At: r.At})
	}
}

// playUsers is how many users of each tier the page sends load as. Their own limits leave room for the limits behind
// them to be seen.
const playUsers = 20

// playground is what the service has for the page's faults and load: keys of its own, which exist nowhere but in this
// process, and a hold on its connections to Redis. Pods send load as the same users, so that these meet their limits
// over all pods.
type playground struct {
	keys    []string // the tiers in turn
	lines   []string // the same as lines of a key file
	tiers   []string
	freezer *freezer
}

// newPlayground returns nil when the configuration wants none.
func newPlayground(cfg config.Config) *playground {
	if !cfg.Server.Playground {
		return nil
	}
	rates := cfg.Inbound.TierRates
	p := &playground{freezer: newFreezer(), tiers: slices.SortedFunc(maps.Keys(rates), func(a, b string) int {
		return rates[a] - rates[b]
	})}
	for n := range playUsers {
		for _, tier := range p.tiers {
			key := rand.Text()
			p.keys = append(p.keys, key)
			p.lines = append(p.lines, fmt.Sprintf("%x live-page-%d-%s %s", sha256.Sum256([]byte(key)), n+1, tier, tier))
		}
	}
	return p
}

// own are the keys of the playground, and none without one.
func (p *playground) own() []string {
	if p == nil {
		return nil
	}
	return p.lines
}

// playOn gives the page its playground. With dev it has a place on the main port too, and requests from elsewhere than
// this machine may use it: with --dev the service listens on the loopback interface unless it is told otherwise. The
// streams of the page end when the pod drains, because the main port waits for its requests.
func playOn(svc *service, cfg config.Config, dev bool) {
	if p := svc.playground; p != nil {
		svc.page.Play(live.Playground{
			Service: func() string { return "http://" + reachable(svc.addr) },
			Vendors: vendorRoots(cfg), Freeze: p.freezer.freeze, Keys: p.keys, Tiers: p.tiers, LocalOnly: !dev,
		})
	}
	if !dev {
		return
	}
	svc.handler = svc.page.Over(svc.handler)
	drain := svc.drain
	svc.drain = func() {
		drain()
		svc.page.Close()
	}
}

// vendorRoots are where simulated vendors are steered, which are called at the URLs of the lanes: the lane default
// first.
func vendorRoots(cfg config.Config) []string {
	urls := []string{vendorRoot(cfg.LLM.Vendor.URL)}
	for _, lane := range cfg.LLM.Further {
		urls = append(urls, vendorRoot(lane.Vendor.URL))
	}
	slices.Sort(urls[1:])
	return append(urls[:1], slices.Compact(slices.DeleteFunc(urls[1:], func(u string) bool { return u == urls[0] }))...)
}

// vendorRoot is where a simulated vendor is steered, which is called at vendorURL.
func vendorRoot(vendorURL string) string {
	for _, e := range llm.Endpoints {
		vendorURL = strings.TrimSuffix(vendorURL, e.Path)
	}
	return strings.TrimSuffix(strings.TrimSuffix(vendorURL, "/"), llm.Base)
}
