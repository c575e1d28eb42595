package live

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// Playground is what the page needs for faults, load and the story, beside the service.
type Playground struct {
	Service   func() string // base URL of the service's main port, asked when load begins
	Vendors   []string      // base URL of the control pages of each lane's vendor; the first is steered
	Freeze    func(bool)    // freezes Redis for this pod, or lets it go on; nil does nothing
	Keys      []string      // API keys that load is sent with, in turn: those of the tiers should alternate
	Tiers     []string      // of the keys
	Try       func() string // a command that sends a request, for the page to show; nil: none
	LocalOnly bool          // take requests from the loopback interface alone, as those of kubectl port-forward are
}

// Play is the state of the playground.
type Play struct {
	Fault       string   `json:"fault"`        // how the vendor fails; "" when it does not, "other" when told elsewhere
	Faults      []Fault  `json:"faults"`       // how it can fail
	Load        int      `json:"load"`         // requests that this pod is sent each second
	LoadSeconds float64  `json:"load_seconds"` // until that stops
	Tiers       []string `json:"tiers"`        // of the users that send it
	Frozen      bool     `json:"redis_frozen"` // for this pod
	Try         string   `json:"try"`          // a command that sends a request; "" for none
	Story       Story    `json:"story"`
}

// play lets the page make the vendor fail and send load.
type play struct {
	with   Playground
	vendor *vendor
	load   *load
	redis  *frozen
	story  *story
}

// Play adds the playground. It must be called before Start and before anything is served.
func (l *Live) Play(with Playground) {
	if with.Freeze == nil {
		with.Freeze = func(bool) {}
	}
	l.play = &play{
		with: with, vendor: &vendor{urls: with.Vendors, client: http.DefaultClient}, load: newLoad(with),
		redis: &frozen{freeze: with.Freeze},
	}
	l.play.story = newStory(l.own, l.play)
	l.look(time.Now())
}

func (p *play) state(now time.Time) *Play {
	try := ""
	if p.with.Try != nil {
		try = p.with.Try()
	}
	s := &Play{Fault: p.vendor.fault(), Faults: faults, Tiers: p.with.Tiers, Frozen: p.redis.is.Load(), Try: try,
		Story: p.story.state()}
	s.Load, s.LoadSeconds = p.load.state(now)
	return s
}

// close ends the story, for good, and the load, and leaves Redis as it was.
func (p *play) close() {
	p.story.close()
	p.load.close()
	p.redis.set(false)
}

// change serves a button of the page. Without the playground there is nothing to change, and every button is refused. A
// page of another site must not press it either: its request has another origin, or a host name that is not this
// machine's.
func (l *Live) change(do func(*play, *http.Request) error) http.HandlerFunc {
	sameOrigin := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		refuse := func(why string) { http.Error(w, why, http.StatusForbidden) }
		switch {
		case l.play == nil:
			refuse("this page only shows; faults and load are for --dev, and for the chart's simulated vendor")
			return
		case sameOrigin.Check(r) != nil, !local(r.Host):
			refuse("only the page itself, opened at localhost or an IP address, may ask for this")
			return
		case l.play.with.LocalOnly && !loopback(r.RemoteAddr):
			refuse("only what comes through kubectl port-forward may ask for this")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
		if err := do(l.play, r); err != nil {
			status := http.StatusBadGateway
			if errors.Is(err, errBadRequest) {
				status = http.StatusBadRequest
			}
			http.Error(w, err.Error(), status)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// alone ends the story before it presses a button: the one who watches has taken over.
func alone(do func(*play, *http.Request) error) func(*play, *http.Request) error {
	return func(p *play, r *http.Request) error {
		p.story.halt(takeOver)
		return do(p, r)
	}
}

// errBadRequest begins the error for a body that asks for what there is not.
var errBadRequest = errors.New("this cannot be done")

// read reads a small JSON body.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.Join(errBadRequest, err)
	}
	return nil
}

// local reports whether a Host header names this machine or an IP address. A site can point a name of its own to this
// machine, and then its pages have the same origin as this one.
func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]") // there is no port
	}
	return strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") || net.ParseIP(name) != nil
}

// loopback reports whether an address is one of the loopback interface.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
