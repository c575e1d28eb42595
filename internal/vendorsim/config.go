package vendorsim

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
	"github.com/spillway-dev/spillway/internal/vendorsim/ledger"
	"github.com/spillway-dev/spillway/internal/vendorsim/timing"
)

// What a configuration consists of.
type (
	Contract = ledger.Contract // what the vendor grants
	Duration = timing.Duration // written as "1.5s" in JSON
	Latency  = timing.Latency  // a distribution of durations
	Extra    = dialect.Extra   // tokens that the vendor counts beside those that a client can see
)

// Constant is a latency that is always d.
func Constant(d time.Duration) Latency { return timing.Constant(d) }

// ParseLatency reads a latency such as 300ms, 100ms..500ms or lognormal:300ms,2s.
func ParseLatency(s string) (Latency, error) { return timing.ParseLatency(s) }

// Config is how the vendor behaves. The zero value answers at once and has no contract.
type Config struct {
	Latency          Latency  `json:"latency"`           // until the first byte
	CompletionTokens int      `json:"completion_tokens"` // of an answer, at most max_tokens of the request; 0 means 32
	TokensPerSecond  float64  `json:"tokens_per_second"` // pace of a stream; 0 means at once
	ChunkTokens      int      `json:"chunk_tokens"`      // in each chunk of a stream; 0 means 1
	Contract         Contract `json:"contract"`
	Tokens           Extra    `json:"tokens"`        // counted beside those that a client can see
	Models           []string `json:"models"`        // that exist; empty means a few, and any other works too
	Endpoints        []string `json:"endpoints"`     // that exist, by the names of package dialect; empty means all
	Keys             []string `json:"keys"`          // API keys that are accepted; empty means any and none
	KeepCalls        int      `json:"keep_calls"`    // calls in the log; 0 means 100,000, -1 none. All are judged
	KeepRequests     int      `json:"keep_requests"` // calls in the log with headers and body; at most 1,000
	Seed             uint64   `json:"seed"`          // of latencies, and of faults with a probability
}

func (c Config) validate() error {
	var problems []error
	if c.CompletionTokens < 0 {
		problems = append(problems, fmt.Errorf("completion_tokens %d is negative", c.CompletionTokens))
	}
	if !(c.TokensPerSecond >= 0 && c.TokensPerSecond <= math.MaxFloat64) { // NaN too
		problems = append(problems, fmt.Errorf("tokens_per_second %v is not a pace", c.TokensPerSecond))
	}
	if err := c.Contract.Validate(); err != nil {
		problems = append(problems, err)
	}
	if c.KeepCalls < -1 {
		problems = append(problems, fmt.Errorf("keep_calls %d is neither -1 nor a number of calls", c.KeepCalls))
	}
	if least := min(c.ChunkTokens, c.KeepRequests, c.Tokens.Reasoning, c.Tokens.Hidden,
		c.Tokens.CacheWrite, c.Tokens.CacheRead); least < 0 {
		problems = append(problems, errors.New("chunk_tokens, keep_requests and tokens must not be negative"))
	}
	for _, name := range c.Endpoints {
		if !slices.ContainsFunc(dialect.Endpoints(), func(e *dialect.Endpoint) bool { return e.Name == name }) {
			problems = append(problems, fmt.Errorf("there is no endpoint %q", name))
		}
	}
	return errors.Join(problems...)
}

// SetConfig changes the behaviour from now on. The figures so far stay. A new contract is judged with the calls that
// are in its window already, as far back as two windows of the old contract.
func (s *Sim) SetConfig(cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	cfg.CompletionTokens = cmp.Or(cfg.CompletionTokens, 32)
	cfg.KeepCalls = cmp.Or(cfg.KeepCalls, 100_000)
	if cfg.Contract.Requests > 0 || cfg.Contract.Tokens > 0 {
		cfg.Contract.Window = cmp.Or(cfg.Contract.Window, Duration(time.Minute))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.random == nil || cfg.Seed != s.cfg.Seed { // the same seed goes on where it is
		s.random = rand.New(rand.NewPCG(cfg.Seed, 1))
	}
	s.cfg = cfg
	s.regrantLocked()
	s.calls.keep = cfg.KeepCalls
	return nil
}

// Config is how the vendor behaves now, with defaults filled in.
func (s *Sim) Config() Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}
