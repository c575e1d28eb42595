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

// The story of one outage, step by step.
func TestMachineStory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	m := &machine{cfg: testBreakerConfig()}
	is := func(what string, want State) {
		t.Helper()
		if m.state != want {
			t.Fatalf("%s: %v, want %v", what, m.state, want)
		}
	}
	several := users{several: true}
	report := func(calls, failures, row int64) {
		m.take(now, request{op: stepReport, gen: m.gen, tally: tally{calls, failures, row, several, several}})
	}
	probe := func() reply { return m.take(now, request{op: stepProbe}) }
	say := func(r reply, op string) { m.take(now, request{op: op, gen: r.gen, lease: r.lease}) }

	report(10, 4, 2)
	is("less than half of the calls, and two in a row, are too few", Closed)
	report(2, 1, 0)
	report(2, 2, 2)
	is("a success ended the row", Closed)
	now = now.Add(2 * time.Minute)
	report(9, 5, 1)
	is("more than half, but too few calls to tell", Closed)
	report(1, 1, 1)
	is("ten calls, more than half failed", Open)

	if probe().lease != 0 {
		t.Fatal("a probe while open")
	}
	report(5, 5, 5)
	is("what is still under way cannot open it twice", Open)

	now = now.Add(30 * time.Second)
	first := probe()
	is("its time over", HalfOpen)
	if first.lease == 0 || probe().lease != 0 {
		t.Fatal("not exactly one probe at a time")
	}
	say(first, string(lost))
	is("the probe failed", Open)

	now = now.Add(30 * time.Second)
	probe()
	is("each open state is longer than the one before", Open)
	now = now.Add(30 * time.Second)
	dead := probe()
	now = now.Add(6 * time.Second)
	say(dead, stepRenew) // still alive
	now = now.Add(6 * time.Second)
	if probe().lease != 0 {
		t.Fatal("a renewed lease was given away")
	}
	now = now.Add(6 * time.Second) // dead: it renews no more
	next := probe()
	if next.lease == 0 {
		t.Fatal("the lease of a dead pod did not expire")
	}
	say(dead, string(lost))
	is("a pod that has lost the lease decides nothing", HalfOpen)
	say(reply{gen: first.gen, lease: next.lease}, string(lost))
	is("nor does a lease of an earlier half-open state", HalfOpen)
	say(next, string(freed))
	is("a probe without a verdict", HalfOpen)

	earlier := dead.gen
	for range 2 {
		is("one success is not enough", HalfOpen)
		say(probe(), string(won))
	}
	is("two successes", Closed)
	m.take(now, request{op: stepReport, gen: earlier, tally: tally{9, 9, 9, several, several}})
	is("calls from before do not open a fresh breaker", Closed)
	report(2, 2, 2)
	is("a new count begins at nothing", Closed)
	report(1, 1, 1)
	is("three in a row", Open)
	if left := m.left(now); left != 30*time.Second {
		t.Errorf("after it was closed the first open state is as short as ever, not %v", left)
	}
}

// What a window must show before the vendor counts as down.
func TestWhatCountsAsDown(t *testing.T) {
	t.Parallel()
	one, other, several := userOf("one"), userOf("other"), users{several: true}
	cfg := Config{Failures: 5}
	for name, tt := range map[string]struct {
		window tally
		row    int64
		want   bool
	}{
		"five in a row": {tally{calls: 5, failures: 5, callers: several, failing: several}, 5,
			true},
		"four in a row": {tally{calls: 4, failures: 4, callers: several, failing: several}, 4,
			false},
		"one success before five in a row": {tally{calls: 6, failures: 5, callers: several, failing: several}, 5,
			true},
		"retries mended each": {tally{calls: 10, failures: 5, callers: several, failing: several}, 0,
			false},
		"six of ten": {tally{calls: 10, failures: 6, callers: several, failing: several}, 1,
			true},
		"busy, five in a row by chance": {tally{calls: 6000, failures: 1800, callers: several, failing: several}, 5,
			false},
		"busy, and then dead": {tally{calls: 6000, failures: 13, callers: several, failing: several}, 13,
			true},
		"one user among several": {tally{calls: 50, failures: 40, callers: several, failing: one}, 40,
			false},
		"one user, and no other user calls": {tally{calls: 5, failures: 5, callers: one, failing: one}, 5, true},
		"two users": {tally{calls: 5, failures: 5, callers: one.with(other),
			failing: one.with(other)}, 5, true},
	} {
		if got := cfg.down(tt.window, tt.row); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
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
		take := func(step request) {
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
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 1, 2, 5, 10, 30, 70}).Draw(rt,
				"seconds")) * time.Second)
			switch op := rapid.SampledFrom([]string{stepReport, stepReport, stepProbe, stepRenew, "won", "lost",
				"freed", "recovery"}).Draw(rt, "op"); op {
			case stepReport:
				calls := rapid.Int64Range(0, 12).Draw(rt, "calls")
				failures := rapid.Int64Range(0, calls).Draw(rt, "failures")
				row := failures
				if failures < calls {
					row = rapid.Int64Range(0, failures).Draw(rt, "row")
				}
				who := rapid.SampledFrom([]users{userOf("a"), userOf("b"), {several: true}})
				t := tally{calls: calls, failures: failures, row: row, callers: who.Draw(rt, "callers")}
				if failures > 0 {
					t.failing = t.callers
				}
				take(request{op: op, gen: one(gens, "gen"), tally: t})
			case "recovery": // what chance alone brings about too rarely
				now = now.Add(m.cfg.OpenMax)
				for range m.cfg.Successes {
					take(request{op: stepProbe})
					take(request{op: string(won), gen: gens[len(gens)-1], lease: leases[len(leases)-1]})
				}
			default:
				take(request{op: op, gen: one(gens, "gen"), lease: one(leases, "lease")})
			}
		}
	})
}
