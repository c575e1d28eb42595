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

// livePage returns the page that shows what the pod does. Once started, it reads the metrics every second. name is the
// name of the service, which all its pods have.
func livePage(name string, metrics prometheus.Gatherer, rdb *redisx.Client, log *slog.Logger,
	probeIn func(lane string) time.Duration) *live.Live {
	pod, err := os.Hostname()
	if err != nil {
		pod = "unknown"
	}
	id := pod + "-" + rand.Text() // a container that starts again has the same host name
	return live.New(live.Config{Pod: pod, Metrics: metrics, Log: log, ProbeIn: probeIn,
		Board: board.New(rdb, name, id)})
}

// showOn shows requests that were refused or failed on the page.
func showOn(page *live.Live) func(middleware.Refusal) {
	return func(r middleware.Refusal) {
		page.Refused(live.Refusal{RequestID: r.RequestID, Layer: r.Layer, Reason: r.Reason, Status: r.Status, At: r.At})
	}
}

// playUsers is the number of users of each tier in the load of the page. With so many users, the load reaches the
// limits behind the limits of the single users.
const playUsers = 20

// playground is the service's side of the page's faults and load: API keys that exist only in this process, and a
// switch that freezes its connections to Redis. All pods send load as the same users, so that the users' limits apply
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
			user := fmt.Sprintf("%s%d-%s", playUser, n+1, tier)
			p.lines = append(p.lines, fmt.Sprintf("%x %s %s", sha256.Sum256([]byte(key)), user, tier))
		}
	}
	return p
}

// own returns the keys of the playground as lines of a key file. A nil playground has none.
func (p *playground) own() []string {
	if p == nil {
		return nil
	}
	return p.lines
}

// playOn gives the page its playground. With dev the page is on the main port too, and requests from other machines may
// use the playground: with --dev the service listens on the loopback interface unless a setting changes that. The
// streams of the page end when the pod drains, because the main port waits for its requests.
func playOn(svc *service, cfg config.Config, dev bool) {
	if p := svc.playground; p != nil {
		var try func() string
		if dev {
			try = func() string {
				if svc.addr == nil { // it does not listen yet
					return ""
				}
				return devPost(svc) + " " + devBody
			}
		}
		svc.page.Play(live.Playground{
			Service: func() string { return "http://" + reachable(svc.addr) },
			Vendors: vendorRoots(cfg), Freeze: p.freezer.freeze, Keys: p.keys, Tiers: p.tiers, Try: try,
			LocalOnly: !dev,
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

// vendorRoots returns the base URLs of the simulated vendors of all lanes, the lane default first. Their faults are set
// there.
func vendorRoots(cfg config.Config) []string {
	urls := []string{vendorRoot(cfg.LLM.Vendor.URL)}
	for _, lane := range cfg.LLM.Further {
		urls = append(urls, vendorRoot(lane.Vendor.URL))
	}
	slices.Sort(urls[1:])
	return append(urls[:1], slices.Compact(slices.DeleteFunc(urls[1:], func(u string) bool { return u == urls[0] }))...)
}

// vendorRoot returns the base URL of the simulated vendor that is called at vendorURL.
func vendorRoot(vendorURL string) string {
	for _, e := range llm.Endpoints {
		vendorURL = strings.TrimSuffix(vendorURL, e.Path)
	}
	return strings.TrimSuffix(strings.TrimSuffix(vendorURL, "/"), llm.Base)
}
