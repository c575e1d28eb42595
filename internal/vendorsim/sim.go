// Package vendorsim is a simulated LLM vendor. It answers like OpenAI and like Anthropic, with configured latencies,
// fails on demand, and can play any HTTP answer. It keeps an exact log of its contract: it is the judge in every test
// of more than one pod.
//
//	POST   the paths of package dialect: /v1/chat/completions, /v1/responses, /v1/messages and so on
//	                        serve.go, room.go, check.go, answer.go, stream.go
//	GET    /v1/models       the list of models
//	GET    /stats           figures, also the violations of the contract            stats.go, package ledger
//	GET    /log             the calls, one JSON object a line                       calls.go, seen.go
//	POST   /reset           remove all figures and calls
//	GET    /faults          the faults                                              fault.go, faults.go, grant.go
//	POST   /faults          add a fault, or a list of faults
//	PUT    /faults          replace all faults
//	DELETE /faults          remove all faults
//	GET    /answers         the answers that it can play by name                    package script
//	GET    /answers/{name}  one of them, whole
//	GET    /config          latency, contract and the rest                          config.go
//	PUT    /config          set the configuration; missing fields have their defaults
//
// The model "play:NAME" in a request asks for the answer with that name, from any client and through any service.
package vendorsim

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
	"github.com/spillway-dev/spillway/internal/vendorsim/ledger"
)

// Sim is one vendor. It is an http.Handler, safe for concurrent use.
type Sim struct {
	pages   *http.ServeMux
	buffers sync.Pool // of *bytes.Buffer: parts of bodies that come in, and answers
	room    *room     // for bodies

	mu       sync.Mutex
	cfg      Config
	random   *rand.Rand
	faults   []*Fault
	contract ledger.Log
	calls    callLog
	repeats  repeats
	stats    Stats
	epoch    int           // grows with every reset
	changed  chan struct{} // closed at the next change; nil while nothing waits for it
}

// New returns a vendor with this configuration.
func New(cfg Config) (*Sim, error) {
	s := &Sim{room: newRoom(), buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}}
	s.pages = s.steering()
	if err := s.SetConfig(cfg); err != nil {
		return nil, err
	}
	s.Reset()
	return s, nil
}

// ServeHTTP serves a call, or one of the pages that control the simulator.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now() // as early as possible: this is a call's arrival
	path := dialect.Find(r.Method, r.URL.Path)
	if path.Endpoint != nil || r.Method == http.MethodPost && !isPage(r.URL.Path) {
		s.serveCall(w, r, path, at)
		return
	}
	s.pages.ServeHTTP(w, r)
}

// Reset removes all figures and calls. Calls in flight do not count any more. Faults and configuration stay.
func (s *Sim) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.contract = ledger.Log{}
	s.regrantLocked()
	s.calls = callLog{keep: s.cfg.KeepCalls}
	s.repeats = repeats{}
	s.stats = Stats{Status: map[int]int{}, Pods: map[string]int{}}
	s.notifyLocked()
}
