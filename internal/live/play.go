package live

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"
)

// Playground is what --dev has beside the service.
type Playground struct {
	Service func() string // base URL of the service's main port, asked when load begins
	Vendor  string        // base URL of the simulated vendor's control pages
	Freeze  func(bool)    // freezes the embedded Redis, or lets it go on; nil: there is none
	Keys    []string      // API keys that load is sent with, in turn: those of the tiers should alternate
}

// Play is the state of the playground.
type Play struct {
	Fault       string   `json:"fault"`        // how the vendor fails; "" when it does not
	Faults      []string `json:"faults"`       // how it can fail
	Load        int      `json:"load"`         // requests that are sent each second
	LoadSeconds float64  `json:"load_seconds"` // until that stops
	Frozen      *bool    `json:"redis_frozen"` // null when there is no Redis to freeze
}

// play lets the page make the vendor fail and send load.
type play struct {
	vendor *vendor
	load   *load
	redis  *frozen // nil: there is none to freeze
}

// Play adds the playground. It must be called before Start and before anything is served.
func (l *Live) Play(with Playground) {
	l.play = &play{vendor: &vendor{url: with.Vendor}, load: newLoad(with)}
	if with.Freeze != nil {
		l.play.redis = &frozen{freeze: with.Freeze}
	}
	l.look(time.Now())
}

func (p *play) state(now time.Time) *Play {
	s := &Play{Fault: p.vendor.fault(), Faults: faultNames()}
	s.Load, s.LoadSeconds = p.load.state(now)
	if p.redis != nil {
		s.Frozen = new(p.redis.is.Load())
	}
	return s
}

// change serves a button of the page. Without --dev there is nothing to change, and every button is refused. A page of
// another site must not press it either: its request has another origin, or a host name that is not this machine's.
func (l *Live) change(do func(*play, *http.Request) error) http.HandlerFunc {
	sameOrigin := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if l.play == nil {
			http.Error(w, "this page only shows; faults and load are for --dev", http.StatusForbidden)
			return
		}
		if err := sameOrigin.Check(r); err != nil || !local(r.Host) {
			http.Error(w, "only the page itself, opened at localhost or an IP address, may ask for this",
				http.StatusForbidden)
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
		name = host
	}
	return name == "localhost" || net.ParseIP(name) != nil
}
