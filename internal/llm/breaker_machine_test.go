package llm

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/redistest"
)

func testBreakerConfig() BreakerConfig {
	return BreakerConfig{Failures: 3, Window: time.Minute, Open: 30 * time.Second, Successes: 2, Lease: 10 * time.Second}
}

// The story of one outage, step by step.
func TestBreakerMachineStory(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	m := &breakerMachine{cfg: testBreakerConfig()}
	step := func(what string, want BreakerState) {
		t.Helper()
		if m.state != want {
			t.Fatalf("%s: %v, want %v", what, m.state, want)
		}
	}

	m.report(now, 10, 2)
	step("two failures are too few", Closed)
	now = now.Add(2 * time.Minute)
	m.report(now, 1, 1)
	step("the third comes when the first two are forgotten", Closed)
	m.report(now, 10, 1)
	step("three of twelve calls are too small a part", Closed)
	now = now.Add(2 * time.Minute)
	m.report(now, 5, 3)
	step("three failures, more than half", Open)

	if id := m.probe(now, m.cfg.Lease); id != 0 {
		t.Fatal("a probe while open")
	}
	m.report(now, 5, 5)
	step("calls from before do not matter any more", Open)

	now = now.Add(30 * time.Second)
	first := m.probe(now, m.cfg.Lease)
	step("its time over", HalfOpen)
	if first == 0 || m.probe(now, m.cfg.Lease) != 0 {
		t.Fatal("not exactly one probe at a time")
	}
	m.probed(now, first, lost)
	step("the probe failed", Open)

	now = now.Add(30 * time.Second)
	dead := m.probe(now, m.cfg.Lease)
	now = now.Add(10 * time.Second)
	next := m.probe(now, m.cfg.Lease)
	if next == 0 {
		t.Fatal("the lease of a dead pod did not expire")
	}
	m.probed(now, dead, lost)
	step("the dead pod's word does not count any more", HalfOpen)
	m.probed(now, next, freed)
	step("a probe without a verdict", HalfOpen)

	for range 2 {
		step("one success is not enough", HalfOpen)
		m.probed(now, m.probe(now, m.cfg.Lease), won)
	}
	step("two successes", Closed)
	m.report(now, 2, 2)
	step("a new count begins at nothing", Closed)
}

// The script in Redis and the machine in Go are the same machine.
func TestBreakerScriptIsTheMachine(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client()
	// The script reads a clock that the test drives.
	text := strings.Replace(breakerLua, "redis.call('TIME')", "{redis.call('GET', 'now') / 1000, 0}", 1)
	if text == breakerLua {
		t.Fatal("the script does not read Redis's clock")
	}
	script := redis.NewScript(text)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		key := "llm:{test}:" + strconv.Itoa(run)
		m := &breakerMachine{cfg: testBreakerConfig()}
		now := time.Unix(1_700_000_000, 0)
		leases := []int64{0}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 1, 2, 5, 10, 30, 70}).Draw(rt, "seconds")) * time.Second)
			op := rapid.SampledFrom([]string{"report", "report", "probe", "probe", "won", "won", "lost", "freed"}).Draw(rt, "op")
			var arg, failures int64
			switch op {
			case "report":
				arg = rapid.Int64Range(0, 6).Draw(rt, "calls")
				failures = rapid.Int64Range(0, arg).Draw(rt, "failures")
			case "won", "lost", "freed":
				arg = rapid.SampledFrom(leases).Draw(rt, "lease")
			}
			cfg := m.cfg
			ok(t, rdb.Set(t.Context(), "now", now.UnixMilli(), 0).Err())
			got, err := script.Run(t.Context(), rdb, []string{key}, op, arg, failures, "changes", cfg.Failures,
				cfg.Window.Milliseconds(), cfg.Open.Milliseconds(), cfg.Successes, cfg.Lease.Milliseconds()).Int64Slice()
			ok(t, err)
			granted := int64(0)
			switch op {
			case "report":
				m.report(now, int(arg), int(failures))
			case "probe":
				if granted = m.probe(now, cfg.Lease); granted != 0 {
					leases = append(leases, granted)
				}
			default:
				m.probed(now, arg, verdict(op))
			}
			want := []int64{int64(m.state), m.gen, m.left(now).Milliseconds(), granted}
			if len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
				rt.Fatalf("%s %d %d at %v: Redis says %v, Go says %v", op, arg, failures, now, got, want)
			}
		}
	})
}
