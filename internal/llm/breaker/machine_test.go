package breaker

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/redistest"
)

func testBreakerConfig() Config {
	return Config{Failures: 3, Window: time.Minute, Open: 30 * time.Second, OpenMax: time.Minute, Successes: 2,
		Lease: 10 * time.Second}
}

// story is a machine whose clock the test drives.
type story struct {
	*testing.T

	m   *machine
	now time.Time
}

func (s *story) is(what string, want State) {
	s.Helper()
	if s.m.state != want {
		s.Fatalf("%s: %v, want %v", what, s.m.state, want)
	}
}

func (s *story) report(calls, failures, row int64) {
	several := some(2)
	s.m.take(s.now, request{op: opReport, gen: s.m.gen, tally: tally{calls, failures, row, several, several}})
}

func (s *story) probe() reply { return s.m.take(s.now, request{op: opProbe}) }

func (s *story) end(r reply, v verdict) {
	s.m.take(s.now, request{op: opEnd, verdict: v, gen: r.gen, lease: r.lease})
}

func (s *story) pass(d time.Duration) { s.now = s.now.Add(d) }

// The story of one outage, step by step.
func TestMachineStory(t *testing.T) {
	t.Parallel()
	s := &story{T: t, m: &machine{cfg: testBreakerConfig()}, now: time.Unix(1_700_000_000, 0)}
	s.opens()
	first := s.firstProbeFails()
	earlier := s.leaseGoesToAnother(first)
	for range 2 {
		s.is("one success is not enough", HalfOpen)
		s.end(s.probe(), won)
	}
	s.is("two successes", Closed)
	several := some(2)
	s.m.take(s.now, request{op: opReport, gen: earlier, tally: tally{9, 9, 9, several, several}})
	s.is("calls from before do not open a fresh breaker", Closed)
	s.report(2, 2, 2)
	s.is("a new count begins at zero", Closed)
	s.report(1, 1, 1)
	s.is("three in a row", Open)
	if left := s.m.left(s.now); left != 30*time.Second {
		t.Errorf("the first open state after a closed one takes %v", left)
	}
}

func (s *story) opens() {
	s.report(10, 4, 2)
	s.is("less than half of the calls, and two in a row, are too few", Closed)
	s.report(2, 1, 0)
	s.report(2, 2, 2)
	s.is("a success ended the row", Closed)
	s.pass(2 * time.Minute)
	s.report(9, 5, 1)
	s.is("more than half, but too few calls to tell", Closed)
	s.report(1, 1, 1)
	s.is("ten calls, more than half failed", Open)
	if s.probe().lease != noLease {
		s.Fatal("a probe while open")
	}
	s.report(5, 5, 5)
	s.is("calls that were under way do not open it twice", Open)
}

func (s *story) firstProbeFails() (first reply) {
	s.pass(30 * time.Second)
	first = s.probe()
	s.is("the time of the open state is over", HalfOpen)
	if first.lease == noLease || s.probe().lease != noLease {
		s.Fatal("not exactly one probe at a time")
	}
	s.end(first, lost)
	s.is("the probe failed", Open)
	s.pass(30 * time.Second)
	s.probe()
	s.is("each open state is longer than the one before", Open)
	return first
}

// leaseGoesToAnother returns the generation of the half-open state.
func (s *story) leaseGoesToAnother(first reply) (gen int64) {
	s.pass(30 * time.Second)
	dead := s.probe()
	s.pass(6 * time.Second)
	s.m.take(s.now, request{op: opRenew, gen: dead.gen, lease: dead.lease}) // still alive
	s.pass(6 * time.Second)
	if s.probe().lease != noLease {
		s.Fatal("a renewed lease was given away")
	}
	s.pass(6 * time.Second) // dead: it does not renew
	next := s.probe()
	if next.lease == noLease {
		s.Fatal("the lease of a dead pod did not expire")
	}
	s.end(dead, lost)
	s.is("a pod that has lost the lease decides nothing", HalfOpen)
	s.end(reply{gen: first.gen, lease: next.lease}, lost)
	s.is("nor does a lease of an earlier half-open state", HalfOpen)
	s.end(next, freed)
	s.is("a probe without a verdict", HalfOpen)
	return dead.gen
}

// What a window must show before the vendor counts as down.
func TestWhatCountsAsDown(t *testing.T) {
	t.Parallel()
	cfg := Config{Failures: 5}
	for name, tt := range map[string]struct {
		calls, failures, row int64
		down                 bool
	}{
		"five in a row":                    {5, 5, 5, true},
		"four in a row":                    {4, 4, 4, false},
		"one success before five in a row": {6, 5, 5, true},
		"retries mended each":              {10, 5, 0, false},
		"six of ten":                       {10, 6, 1, true},
		"busy, five in a row by chance":    {6000, 1800, 5, false},
		"busy, and then dead":              {6000, 13, 13, true},
	} {
		window := tally{calls: tt.calls, failures: tt.failures}
		if got := cfg.down(window, tt.row); got != tt.down {
			t.Errorf("%s: %v, want %v", name, got, tt.down)
		}
	}
}

// some returns a set of n users.
func some(n int) (set users) {
	for i := range n {
		set = set.with(userOf(strconv.Itoa(i)))
	}
	return set
}

// Whose failures count: those of a majority of the users who call at the same time, or of many users; those of one user
// only when no other user calls.
func TestWhoseFailuresCount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		failing, callers             int // in the window
		latelyFailing, latelyCallers int
		count                        bool
	}{
		{1, 1, 1, 1, true}, {1, 2, 1, 2, false}, {1, 2, 1, 1, false}, {1, 100, 1, 1, false},
		{2, 2, 2, 2, true}, {2, 3, 2, 3, true}, {2, 4, 2, 4, false}, {2, 100, 2, 100, false},
		{2, 4, 2, 2, true}, {2, 4, 1, 2, false}, // the others stopped calling; one failed long ago
		{3, 5, 3, 5, true}, {3, 6, 3, 6, false}, {4, 7, 4, 7, true}, {4, 8, 4, 8, false}, {4, 100, 4, 100, false},
		{5, 10, 5, 10, true}, {5, 100, 5, 100, true},
	} {
		window := tally{failing: some(tt.failing), callers: some(tt.callers)}
		lately := tally{failing: some(tt.latelyFailing), callers: some(tt.latelyCallers)}
		if got := ofTheVendor(window, lately); got != tt.count {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// The open state begins short and doubles up to its longest.
func TestOpenStateDoubles(t *testing.T) {
	t.Parallel()
	cfg := Config{Open: 5 * time.Second, OpenMax: time.Minute}
	for opened, want := range []time.Duration{5e9, 10e9, 20e9, 40e9, 60e9, 60e9} {
		if got := cfg.openFor(opened); got != want {
			t.Errorf("after %d: %v, want %v", opened, got, want)
		}
	}
	if got := (Config{Open: time.Minute}).openFor(3); got != time.Minute {
		t.Errorf("without a longest: %v", got)
	}
}

// The script in Redis and the machine in Go are the same machine, on both kinds of Redis that the service runs on.
func TestScriptIsTheMachine(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, scriptIsTheMachine)
}

// someone returns one user, few or many.
func someone(rt *rapid.T, name string) (set users) {
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, 11), 1, 12).Draw(rt, name) {
		set = set.with(userOf(strconv.Itoa(i)))
	}
	return set
}

func scriptIsTheMachine(t *testing.T, rdb redis.UniversalClient) {
	// The script reads a clock that the test drives.
	text := strings.Replace(scriptText, "redis.call('TIME')", "{redis.call('GET', 'now') / 1000, 0}", 1)
	if text == scriptText {
		t.Fatal("the script does not read Redis's clock")
	}
	s := &syncer{b: &Breaker{cfg: testBreakerConfig()}, script: redis.NewScript(text), channel: "changes"}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		s.key = "llm:{test}:" + strconv.Itoa(run)
		m := &machine{cfg: testBreakerConfig()}
		now := time.Unix(1_700_000_000, 0)
		gens, leases := []int64{0}, []int64{0} // all that there were, the present one last
		take := func(r request) {
			ok(t, rdb.Set(t.Context(), "now", now.UnixMilli(), 0).Err())
			got, err := s.eval(t.Context(), rdb, r)
			ok(t, err)
			if want := m.take(now, r); got != want {
				rt.Fatalf("%+v at %v: Redis says %+v, Go says %+v", r, now, got, want)
			}
			if got.gen != gens[len(gens)-1] {
				gens = append(gens, got.gen)
			}
			if got.lease != 0 {
				leases = append(leases, got.lease)
			}
		}
		one := func(of []int64, name string) int64 { // often the present one
			return rapid.OneOf(rapid.Just(of[len(of)-1]), rapid.SampledFrom(of)).Draw(rt, name)
		}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			seconds := rapid.SampledFrom([]int{0, 0, 1, 1, 2, 5, 10, 30, 70}).Draw(rt, "seconds")
			now = now.Add(time.Duration(seconds) * time.Second)
			const recovery op = "recovery"
			ops := []op{opReport, opReport, opProbe, opRenew, opEnd, opEnd, opEnd, recovery}
			switch op := rapid.SampledFrom(ops).Draw(rt, "op"); op {
			case opReport:
				take(request{op: op, gen: one(gens, "gen"), tally: drawTally(rt)})
			case recovery: // which by chance alone is too rare
				now = now.Add(m.cfg.OpenMax)
				for i := range m.cfg.Successes {
					take(request{op: opProbe, asker: strconv.Itoa(i)})
					take(request{op: opEnd, verdict: won, gen: gens[len(gens)-1], lease: leases[len(leases)-1]})
				}
			default:
				r := request{op: op, gen: one(gens, "gen"), lease: one(leases, "lease")}
				if op == opProbe {
					r.asker = rapid.SampledFrom([]string{"", "a", "b", "a", "b"}).Draw(rt, "asker")
				}
				if op == opEnd {
					r.verdict = rapid.SampledFrom([]verdict{won, lost, freed}).Draw(rt, "verdict")
				}
				take(r)
			}
		}
	})
}

// drawTally draws calls that have ended.
func drawTally(rt *rapid.T) tally {
	calls := rapid.Int64Range(0, 12).Draw(rt, "calls")
	failures := rapid.Int64Range(0, calls).Draw(rt, "failures")
	row := failures
	if failures < calls {
		row = rapid.Int64Range(0, failures).Draw(rt, "row")
	}
	t := tally{calls: calls, failures: failures, row: row, callers: someone(rt, "callers")}
	if failures > 0 {
		t.failing = someone(rt, "failing")
		t.callers = t.callers.with(t.failing)
	}
	return t
}
