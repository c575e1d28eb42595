// Package vendorsim is a simulated LLM vendor. It answers like OpenAI's chat completions, takes as long as it is told,
// fails on demand, and keeps its contract's log exactly: it is the judge in every test of more than one pod.
//
//	POST   any path   a completion, or a stream of chunks               answer.go, stream.go
//	GET    /stats     what it has seen, violations of the contract too  stats.go
//	GET    /log       every call, one JSON object a line
//	POST   /faults    fail in this way from now on                      fault.go
//	DELETE /faults    behave again
//	PUT    /config    other latency, other contract
//	POST   /reset     forget everything seen
package vendorsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Config is how the vendor behaves. The zero value answers at once and has no contract.
type Config struct {
	Latency          Latency  `json:"latency"`           // until the first byte
	CompletionTokens int      `json:"completion_tokens"` // of an answer, at most max_tokens of the request; 0 means 32
	TokensPerSecond  float64  `json:"tokens_per_second"` // pace of a stream; 0 means at once
	Contract         Contract `json:"contract"`
	Seed             uint64   `json:"seed"` // of latencies and of faults with a probability
}

func (c Config) validate() error {
	switch {
	case c.CompletionTokens < 0 || c.TokensPerSecond < 0:
		return fmt.Errorf("completion_tokens and tokens_per_second must not be negative")
	case c.Contract.Requests < 0 || c.Contract.Tokens < 0 || c.Contract.Window < 0:
		return fmt.Errorf("the contract's requests, tokens and window must not be negative")
	}
	return nil
}

// Sim is one vendor. It is an http.Handler, safe for concurrent use.
type Sim struct {
	mux *http.ServeMux

	mu      sync.Mutex
	cfg     Config
	random  *rand.Rand
	faults  []*Fault
	log     contractLog
	stats   Stats
	repeats map[string]int // calls by X-Request-ID
	changed chan struct{}  // closed at the next change, when somebody waits for one
}

// New returns a vendor that behaves as cfg says.
func New(cfg Config) (*Sim, error) {
	s := &Sim{mux: http.NewServeMux()}
	if err := s.SetConfig(cfg); err != nil {
		return nil, err
	}
	s.Reset()
	s.mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.Stats()) })
	s.mux.HandleFunc("GET /log", s.serveLog)
	s.mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) { s.Reset(); w.WriteHeader(http.StatusNoContent) })
	s.mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		accept(w, r, func(f Fault) error { return s.AddFault(f) })
	})
	s.mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) { s.ClearFaults(); w.WriteHeader(http.StatusNoContent) })
	s.mux.HandleFunc("PUT /config", func(w http.ResponseWriter, r *http.Request) { accept(w, r, s.SetConfig) })
	s.mux.HandleFunc("POST /", s.serveCall)
	return s, nil
}

// ServeHTTP serves a call or one of the pages that steer the simulator.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// SetConfig changes the behaviour from now on. What was seen so far stays.
func (s *Sim) SetConfig(cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	if cfg.CompletionTokens == 0 {
		cfg.CompletionTokens = 32
	}
	if cfg.Contract.Window == 0 {
		cfg.Contract.Window = Duration(time.Minute)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg, s.random = cfg, rand.New(rand.NewPCG(cfg.Seed, 1))
	return nil
}

// Reset forgets everything seen. Calls that are under way are counted no more.
func (s *Sim) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = contractLog{epoch: s.log.epoch + 1}
	s.stats = Stats{Status: map[int]int{}}
	s.repeats = map[string]int{}
	s.notifyLocked()
}

// accept reads a T from the request's body, strictly, and hands it on.
func accept[T any](w http.ResponseWriter, r *http.Request, set func(T) error) {
	var v T
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	d.DisallowUnknownFields()
	err := d.Decode(&v)
	if err == nil {
		err = set(v)
	}
	if err != nil {
		example, _ := json.Marshal(v)
		http.Error(w, fmt.Sprintf("%v; the fields are: %s", err, example), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// serveLog writes the calls seen, in order of arrival.
func (s *Sim) serveLog(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, c := range s.Calls() {
		_ = enc.Encode(c)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	_, _ = out.WriteTo(w)
}
