// Package health reports whether this process lives and whether it wants traffic. Both depend on this process alone.
// When a vendor or Redis is in trouble, every pod is: to take all pods out of the Service would only add an outage.
//
//	starting -> ready <-> saturated      temporary, with hysteresis
//	                 \-> draining        final
//
// A slow vendor can saturate every pod at once. That ends by itself: a pod without new calls has room again within the
// queue timeout, because no call waits longer for a slot.
package health

import (
	"cmp"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Config sets when a pod counts as saturated.
type Config struct {
	SaturatedAt    float64       // pressure from which on a pod is saturated, when it lasts; 0 means 1
	SaturatedAfter time.Duration // for this long; 0 means 10 s
	RelaxedAt      float64       // pressure below which it is ready again; 0 means 0.7
}

func (c Config) withDefaults() Config {
	if c.SaturatedAt == 0 {
		c.SaturatedAt = 1
	}
	if c.SaturatedAfter == 0 {
		c.SaturatedAfter = 10 * time.Second
	}
	if c.RelaxedAt == 0 {
		c.RelaxedAt = 0.7
	}
	return c
}

// State is the state of a pod.
type State string

// The states.
const (
	Starting  State = "starting"
	Ready     State = "ready"
	Saturated State = "saturated"
	Draining  State = "draining"
)

// Health is the state of one process. It begins as starting. It is safe for concurrent use.
type Health struct {
	cfg      Config
	pressure func() float64
	troubles map[string]func() string // of /readyz?verbose; not changed once the process serves

	mu        sync.Mutex
	started   bool
	draining  bool
	saturated bool
	since     time.Time // when the pressure last rose to SaturatedAt; zero while it is below
}

// New returns a health that reads the pod's pressure, 0 to 1, from pressure whenever it is asked.
func New(cfg Config, pressure func() float64) *Health {
	return &Health{cfg: cfg.withDefaults(), pressure: pressure, troubles: map[string]func() string{}}
}

// Tell makes /readyz?verbose show the text of trouble for a part; "" means that nothing is wrong with it. The text is
// for operators and changes no state. Tell must be called before the process serves.
func (h *Health) Tell(part string, trouble func() string) { h.troubles[part] = trouble }

// SetStarted makes the process ready: it can serve.
func (h *Health) SetStarted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = true
}

// Drain makes the process want no new traffic. It cannot be undone.
func (h *Health) Drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// State is the state at the time now. Saturation is judged at each call; probes call every few seconds.
func (h *Health) State(now time.Time) State {
	p := h.pressure()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.judgeLocked(now, p)
	switch {
	case h.draining:
		return Draining
	case !h.started:
		return Starting
	case h.saturated:
		return Saturated
	}
	return Ready
}

// judgeLocked makes the process saturated when the pressure has been full for a time, and ends that when the pressure
// has clearly fallen.
func (h *Health) judgeLocked(now time.Time, p float64) {
	switch {
	case h.saturated:
		h.saturated = p >= h.cfg.RelaxedAt
		h.since = time.Time{}
	case p < h.cfg.SaturatedAt:
		h.since = time.Time{}
	case h.since.IsZero():
		h.since = now
	default:
		h.saturated = now.Sub(h.since) >= h.cfg.SaturatedAfter
	}
}

// Livez answers 200 as long as the process can answer at all.
func (h *Health) Livez(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, report{Status: "alive"})
}

// Readyz answers 200 when the process wants traffic, else 503, and says why.
func (h *Health) Readyz(w http.ResponseWriter, _ *http.Request) {
	code, state := h.readiness()
	write(w, code, report{Status: state})
}

// ReadyzVerbose is Readyz. With ?verbose it also lists what is wrong with the parts that the pod depends on. That may
// name hosts and files, so it belongs on the admin port.
func (h *Health) ReadyzVerbose(w http.ResponseWriter, r *http.Request) {
	code, state := h.readiness()
	answer := report{Status: state}
	if r.URL.Query().Has("verbose") {
		answer.Parts = map[string]string{}
		for part, trouble := range h.troubles {
			answer.Parts[part] = cmp.Or(trouble(), "ok")
		}
	}
	write(w, code, answer)
}

func (h *Health) readiness() (code int, state State) {
	if state = h.State(time.Now()); state != Ready {
		return http.StatusServiceUnavailable, state
	}
	return http.StatusOK, state
}

// report is the body of an answer.
type report struct {
	Status State             `json:"status"`
	Parts  map[string]string `json:"parts,omitempty"` // "ok", or what is wrong
}

func write(w http.ResponseWriter, code int, body report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
