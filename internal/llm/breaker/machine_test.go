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
	return Config{Failures: 3, Window: time.Minute, Open: 30 * time.Second, Successes: 2, Lease: 10 * time.Second}
}

// The story of one outage, step by step.
func TestMachineStory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	m := &breakerMachine{cfg: testBreakerConfig()}
	is := func(what string, want State) {
		t.Helper()
		if m.state != want {
			t.Fatalf("%s: %v, want %v", what, m.state, want)
		}
	}
	report := func(calls, failures int64) {
		m.take(now, breakerStep{op: stepReport, gen: m.gen, calls: calls, failures: failures})
	}
	probe := func() breakerView { return m.take(now, breakerStep{op: stepProbe}) }
	word := func(v breakerView, op string) { m.take(now, breakerStep{op: op, gen: v.gen, lease: v.lease}) }

	report(10, 2)
	is("two failures are too few", Closed)
	now = now.Add(2 * time.Minute)
	report(1, 1)
	is("the third comes when the first two are forgotten", Closed)
	report(10, 1)
	is("three of twelve calls are too small a part", Closed)
	now = now.Add(2 * time.Minute)
	report(5, 3)
	is("three failures, more than half", Open)

	if probe().lease != 0 {
		t.Fatal("a probe while open")
	}
	report(5, 5)
	is("what is still under way cannot open it twice", Open)

	now = now.Add(30 * time.Second)
	first := probe()
	is("its time over", HalfOpen)
	if first.lease == 0 || probe().lease != 0 {
		t.Fatal("not exactly one probe at a time")
	}
	word(first, string(lost))
	is("the probe failed", Open)

	now = now.Add(30 * time.Second)
	dead := probe()
	now = now.Add(6 * time.Second)
	word(dead, stepRenew) // still alive
	now = now.Add(6 * time.Second)
	if probe().lease != 0 {
		t.Fatal("a renewed lease was given away")
	}
	now = now.Add(6 * time.Second) // dead: it renews no more
	next := probe()
	if next.lease == 0 {
		t.Fatal("the lease of a dead pod did not expire")
	}
	word(dead, string(lost))
	is("who has lost the lease has no word any more", HalfOpen)
	word(breakerView{gen: first.gen, lease: next.lease}, string(lost))
	is("nor has a lease of an earlier half-open state", HalfOpen)
	word(next, string(freed))
	is("a probe without a verdict", HalfOpen)

	earlier := dead.gen
	for range 2 {
		is("one success is not enough", HalfOpen)
		word(probe(), string(won))
	}
	is("two successes", Closed)
	m.take(now, breakerStep{op: stepReport, gen: earlier, calls: 9, failures: 9})
	is("calls from before do not open a fresh breaker", Closed)
	report(2, 2)
	is("a new count begins at nothing", Closed)
	report(1, 1)
	is("and ends as the first one did", Open)
}

// The script in Redis and the machine in Go are the same machine, on both kinds of Redis that the service runs on.
func TestScriptIsTheMachine(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, scriptIsTheMachine)
}

func scriptIsTheMachine(t *testing.T, rdb redis.UniversalClient) {
	// The script reads a clock that the test drives.
	text := strings.Replace(breakerLua, "redis.call('TIME')", "{redis.call('GET', 'now') / 1000, 0}", 1)
	if text == breakerLua {
		t.Fatal("the script does not read Redis's clock")
	}
	s := &breakerSync{b: &Breaker{cfg: testBreakerConfig()}, script: redis.NewScript(text), channel: "changes"}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		s.key = "llm:{test}:" + strconv.Itoa(run)
		m := &breakerMachine{cfg: testBreakerConfig()}
		now := time.Unix(1_700_000_000, 0)
		gens, leases := []int64{0}, []int64{0} // all that there were, the present one last
		take := func(step breakerStep) {
			ok(t, rdb.Set(t.Context(), "now", now.UnixMilli(), 0).Err())
			got, err := s.eval(t.Context(), rdb, step)
			ok(t, err)
			if want := m.take(now, step); got != want {
				rt.Fatalf("%+v at %v: Redis says %+v, Go says %+v", step, now, got, want)
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
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 1, 2, 5, 10, 30, 70}).Draw(rt, "seconds")) * time.Second)
			switch op := rapid.SampledFrom([]string{stepReport, stepReport, stepProbe, stepRenew, "won", "lost", "freed", "recovery"}).Draw(rt, "op"); op {
			case stepReport:
				calls := rapid.Int64Range(0, 6).Draw(rt, "calls")
				take(breakerStep{op: op, gen: one(gens, "gen"), calls: calls, failures: rapid.Int64Range(0, calls).Draw(rt, "failures")})
			case "recovery": // what chance alone brings about too rarely
				now = now.Add(m.cfg.Open)
				for range m.cfg.Successes {
					take(breakerStep{op: stepProbe})
					take(breakerStep{op: string(won), gen: gens[len(gens)-1], lease: leases[len(leases)-1]})
				}
			default:
				take(breakerStep{op: op, gen: one(gens, "gen"), lease: one(leases, "lease")})
			}
		}
	})
}
