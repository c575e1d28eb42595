package ledger

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/vendorsim/timing"
)

// model keeps every arrival, and computes every window from them each time.
type model struct {
	contract Contract
	all      []*modelArrival
}

type modelArrival struct {
	at     time.Time
	tokens int
	entry  *Arrival
}

// figures computes the figures from all arrivals.
func (m *model) figures() (f [4]int) {
	for i, last := range m.all {
		requests, tokens := 0, 0
		for _, a := range m.all[:i+1] {
			if last.at.Sub(a.at) < time.Duration(m.contract.Window) {
				requests, tokens = requests+1, tokens+a.tokens
			}
		}
		if m.contract.Requests > 0 && requests > m.contract.Requests {
			f[0]++
		}
		if m.contract.Tokens > 0 && tokens > m.contract.Tokens {
			f[1]++
		}
		f[2], f[3] = max(f[2], requests), max(f[3], tokens)
	}
	return f
}

// Arrive inserts an arrival by its time, after those of the same time.
func (m *model) arrive(a *modelArrival) {
	i, _ := slices.BinarySearchFunc(m.all, a, func(b, a *modelArrival) int {
		if b.at.After(a.at) {
			return 1
		}
		return -1
	})
	m.all = slices.Insert(m.all, i, a)
}

// After every step the log agrees with a computation over every window: also with arrivals that are entered late, and
// with calls that used less than their estimate.
func TestContractLogAgainstEveryWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		window := 10 * time.Millisecond
		contract := Contract{
			Requests: rapid.IntRange(0, 5).Draw(t, "requests"), Tokens: rapid.IntRange(0, 50).Draw(t, "tokens"),
			Window: timing.Duration(window), Enforce: rapid.Bool().Draw(t, "enforce"),
		}
		var log Log
		log.Set(contract)
		m, now := model{contract: contract}, time.Unix(100, 0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(m.all) > 0 && rapid.IntRange(0, 3).Draw(t, "correct") == 0 {
				a := rapid.SampledFrom(m.all).Draw(t, "call")
				if log.newest.Sub(a.at) < 2*window { // older ones are kept no more
					a.tokens = rapid.IntRange(0, a.tokens).Draw(t, "used")
					log.Correct(a.entry, a.tokens)
				}
			} else {
				now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "ms")) * time.Millisecond)
				late := rapid.SampledFrom([]int{0, 0, 0, 1, 3, 9}).Draw(t, "late")
				at := now.Add(-time.Duration(late) * time.Millisecond)
				a := &modelArrival{at: at, tokens: rapid.IntRange(0, 20).Draw(t, "used")}
				if a.at.Before(log.newest.Add(1 - window)) {
					continue // more than a window late: not entered at its own time
				}
				before := m.all
				m.all = slices.Clone(before)
				m.arrive(a)
				over := m.figures()
				var refused bool
				a.entry, refused = log.Arrive(a.at, a.tokens)
				if is := contract.Enforce && over[0]+over[1] > 0; refused != is {
					t.Fatalf("refused %v, should be %v: %v", refused, is, over)
				}
				if refused {
					m.all = before
				}
			}
			want := m.figures()
			if got := [4]int{log.requestViolations, log.tokenViolations, log.maxRequests, log.maxTokens}; got != want {
				t.Fatalf("violations and fullest windows, by requests and by tokens: the log says %v, counting says %v",
					got, want)
			}
		}
	})
}

// A call fits after the wait that Fits returns, and not earlier.
func TestFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		contract := Contract{Requests: 4, Tokens: 40, Window: timing.Duration(10 * time.Millisecond), Enforce: true}
		var log Log
		log.Set(contract)
		now := time.Unix(100, 0)
		for range 30 {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "ms")) * time.Millisecond)
			tokens := rapid.IntRange(0, 40).Draw(t, "tokens")
			if _, refused := log.Arrive(now, tokens); !refused {
				continue
			}
			wait := log.Fits(tokens)
			if _, refused := log.Arrive(now.Add(wait-1), tokens); !refused {
				t.Fatalf("told to wait %v, a moment less was enough", wait)
			}
			now = now.Add(wait)
			if _, refused := log.Arrive(now, tokens); refused {
				t.Fatalf("told to wait %v, and was refused after it", wait)
			}
		}
	})
}

// A new contract is judged with the calls that are in its window already. Calls are not kept longer than needed.
func TestContractChanges(t *testing.T) {
	t.Parallel()
	var log Log
	begin := time.Unix(100, 0)
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	log.Set(Contract{Requests: 2, Window: timing.Duration(10 * time.Second)})
	for s := range 3 {
		log.Arrive(at(5*s), 1) // 0, 5 and 10 s: at 10 s the first has left the window
	}
	if log.requestViolations != 0 || log.maxRequests != 2 {
		t.Errorf("%+v", log)
	}
	log.Set(Contract{Requests: 3, Window: timing.Duration(20 * time.Second)})
	log.Arrive(at(12), 1) // the fourth within 20 s
	if log.requestViolations != 1 || log.maxRequests != 4 {
		t.Errorf("with the longer window: %+v", log)
	}
	for s := range 1000 {
		log.Arrive(at(100+s), 1)
	}
	if len(log.kept) != 40 || log.requests != 20 || log.tokens != 20 {
		t.Errorf("%d arrivals kept, %d requests and %d tokens in the window", len(log.kept), log.requests, log.tokens)
	}
	log.Set(Contract{})
	if a, refused := log.Arrive(at(2000), 1); a != nil || refused {
		t.Error("without a contract a call was entered")
	}
}

// A load of twice the contract for two windows is a use of 2.
func TestUse(t *testing.T) {
	t.Parallel()
	var log Log
	log.Set(Contract{Requests: 10, Tokens: 100, Window: timing.Duration(time.Second)})
	if requests, tokens := log.use(); requests != 0 || tokens != 0 {
		t.Errorf("before the first call: %v, %v", requests, tokens)
	}
	for i := range 5 {
		log.Arrive(time.Unix(100, int64(i)), 2)
	}
	if requests, tokens := log.use(); requests != 0.5 || tokens != 0.1 {
		t.Errorf("within a window: %v, %v", requests, tokens)
	}
	for i := range 35 {
		log.Arrive(time.Unix(102, int64(i)), 2)
	}
	if requests, tokens := log.use(); requests < 1.99 || requests > 2 || tokens < 0.39 || tokens > 0.4 {
		t.Errorf("over two windows: %v, %v", requests, tokens)
	}
}

func BenchmarkContractLog(b *testing.B) {
	var log Log
	log.Set(Contract{Requests: 1000, Tokens: 100_000, Window: timing.Duration(time.Second)})
	now := time.Unix(100, 0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		a, _ := log.Arrive(now, 100)
		log.Correct(a, 90)
	}
}
