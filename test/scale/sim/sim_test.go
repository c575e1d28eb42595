package sim

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// short is the size of most tests: a tenth of the pods that docs/scale.md speaks of, and few calls for each.
func short() Size {
	return Size{Seed: 1, Pods: 100, Requests: 300, Window: 6 * time.Second, Queue: time.Second / 2, Windows: 3}
}

func run(t *testing.T, s Scenario) Result {
	t.Helper()
	r, err := s.Run()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// violations is the number of windows, of calls or of tokens, that held more than the contract.
func violations(r Result) int { return r.RequestViolations + r.TokenViolations }

// The contract holds in every scenario but those that are there to show what breaks it, and those break it.
func TestContractHoldsInEveryScenario(t *testing.T) {
	t.Parallel()
	for _, s := range short().Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r := run(t, s)
			switch {
			case s.Breaks == "" && violations(r) > 0:
				t.Errorf("%d windows with too much in them, the fullest holds %.3f of the contract",
					violations(r), r.Fullest)
			case s.Breaks != "" && violations(r) == 0:
				t.Errorf("the contract holds, although %s: the fullest window holds %.3f of it", s.Breaks, r.Fullest)
			case r.Use < s.Least:
				t.Errorf("%.3f of the contract is used, want %.3f", r.Use, s.Least)
			}
		})
	}
}

// A thousand pods, as in docs/scale.md, with a contract that is small enough for a test.
func TestAThousandPods(t *testing.T) {
	t.Parallel()
	size := short()
	size.Pods, size.Requests, size.Windows = 1000, 1000, 3
	for _, s := range size.Scenarios() {
		if strings.HasPrefix(s.Name, "Redis is killed") || strings.HasPrefix(s.Name, "scale-up") {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				if r := run(t, s); violations(r) > 0 || r.Use < 0.4 {
					t.Errorf("%d windows with too much in them; %.3f of the contract is used", violations(r), r.Use)
				}
			})
		}
	}
}

func TestContractHoldsInChaos(t *testing.T) {
	t.Parallel()
	seeds := uint64(5) // SCALE_SEEDS=1000 looks longer
	if n := os.Getenv("SCALE_SEEDS"); n != "" {
		if _, err := fmt.Sscan(n, &seeds); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			size := short()
			size.Seed, size.Windows = seed, 6
			if r := run(t, size.Chaos()); violations(r) > 0 {
				t.Errorf("%d windows with too much in them, the fullest holds %.3f of the contract",
					violations(r), r.Fullest)
			}
		})
	}
}

// Nothing depends on anything but the seed.
func TestRunsAreTheSame(t *testing.T) {
	t.Parallel()
	size := short()
	one, same := run(t, size.Chaos()), run(t, size.Chaos())
	if !reflect.DeepEqual(one, same) {
		t.Errorf("two runs of one seed differ:\n%+v\n%+v", one.Verdict, same.Verdict)
	}
	size.Seed++
	if other := run(t, size.Chaos()); reflect.DeepEqual(one, other) {
		t.Error("another seed changes nothing")
	}
}

// The arithmetic is broken in one place after the other. A simulation that does not notice would prove nothing.
func TestBrokenArithmeticIsNoticed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		broken, scenario string
		how              func(t *testing.T, p *Params)
	}{
		{"interval W / (L - B): the queue timeout is forgotten", "gates of all pods shut",
			func(_ *testing.T, p *Params) {
				p.arithmeticQueue = time.Microsecond
			}},
		{"interval (W + Q) / L: the burst is forgotten", "gates of all pods shut", func(t *testing.T, p *Params) {
			p.mutate = header(t, func(v *[4]int64) {
				interval := (p.Quota.Window + p.QueueTimeout).Microseconds() / int64(p.Quota.Requests)
				v[2], v[3] = interval, v[3]/v[2]*interval
			})
		}},
		{"the share is the whole contract", "Redis is killed", func(_ *testing.T, p *Params) { p.Quota.Shares = 1 }},
		{"a new state begins with the burst", "the same ten times a window", func(t *testing.T, p *Params) {
			p.mutate = replace(t, "if cold or returning > 0 then", "if returning > 0 then")
		}},
		{"every pod has a limiter of its own", "steady, 3 x", func(t *testing.T, p *Params) {
			p.Quota.Shares, p.Budget = 1, 0 // no answer is ever in time
		}},
	} {
		t.Run(test.broken, func(t *testing.T) {
			t.Parallel()
			found := false
			for _, s := range short().Scenarios() {
				if !strings.HasPrefix(s.Name, test.scenario) {
					continue
				}
				found = true
				test.how(t, &s.Params)
				r := run(t, s)
				t.Logf("the fullest window holds %.3f of the contract", r.Fullest)
				if violations(r) == 0 {
					t.Error("not noticed")
				}
			}
			if !found {
				t.Error("there is no such scenario")
			}
		})
	}
}

// header changes Q, span, reqT and reqB in front of the script.
func header(t *testing.T, change func(v *[4]int64)) func(string) string {
	line := regexp.MustCompile(`(?m)^local Q, span, reqT, reqB = (\d+), (\d+), (\d+), (\d+)$`)
	return func(script string) string {
		var v [4]int64
		found := line.FindStringSubmatch(script)
		if found == nil {
			t.Error("the script has another header")
			return script
		}
		for i := range v {
			_, _ = fmt.Sscan(found[i+1], &v[i])
		}
		change(&v)
		return strings.Replace(script, found[0], fmt.Sprintf("local Q, span, reqT, reqB = %d, %d, %d, %d", v[0], v[1],
			v[2], v[3]), 1)
	}
}

func replace(t *testing.T, old, changed string) func(string) string {
	return func(script string) string {
		if !strings.Contains(script, old) {
			t.Errorf("the script has no %q", old)
		}
		return strings.Replace(script, old, changed, 1)
	}
}

// No pod calls in a pause that the vendor asked for, once the message can have reached it; pods that receive no
// messages do.
func TestPausesReachAllPods(t *testing.T) {
	t.Parallel()
	size := short()
	size.Window, size.Queue = 20*time.Second, 2*time.Second
	for _, s := range size.Scenarios() {
		if !strings.HasPrefix(s.Name, "the vendor answers 429") {
			continue
		}
		if r := run(t, s); r.Moved == 0 || r.Early > 0 {
			t.Errorf("%d calls in a pause, %d were moved by one", r.Early, r.Moved)
		}
		s.Params.LostMessages = 1
		if r := run(t, s); r.Early == 0 {
			t.Error("no calls in pauses that are not announced: the test sees nothing")
		}
		return
	}
	t.Error("there is no such scenario")
}

// A vendor that refuses all calls under way, each a little later, does not make Redis tell every pod each time.
func TestManyRefusalsAreFewMessages(t *testing.T) {
	t.Parallel()
	size := short()
	size.Requests = 3000
	for _, s := range size.Scenarios() {
		if !strings.HasPrefix(s.Name, "every call of a second is answered 429") {
			continue
		}
		s.Params.Length = 3 * size.Window / 2 // there is one such second
		few := run(t, s).Messages
		s.Params.mutate = replace(t, "(hold > now and holdSlack or 0)", "0")
		if many := run(t, s).Messages; few == 0 || many < 5*few {
			t.Errorf("%d messages, %d if every longer pause were told", few, many)
		}
		return
	}
	t.Error("there is no such scenario")
}

// The simulated Redis and a real one say the same to the same script at the same time.
func TestSimulatedRedisIsLikeTheRealOne(t *testing.T) {
	t.Parallel()
	real := redistest.Start(t).Client()
	now := epoch
	simulated := newLuaRedis(func() micros { return now })
	defer simulated.close()
	size := short()
	size.Requests = 50
	params := size.params()
	params.Tokens, params.Quota.Tokens = 1000, 20_000
	w, err := newWorld(params)
	if err != nil {
		t.Fatal(err)
	}
	script := w.pods[0].script
	driven := redis.NewScript(replace(t, "redis.call('TIME')",
		"redis.call('HMGET', KEYS[1] .. ':clock', 's', 'us')")(script))
	p, refused := w.pods[0], 0
	for i := range 300 {
		step := w.random.Int64N(params.Quota.Window.Microseconds() / 50)
		now, w.now = now+step, now+step
		wait := time.Duration(w.random.Int64N(int64(params.QueueTimeout)))
		tokens := 1 + w.random.Int64N(params.Tokens)
		if i%50 == 49 {
			p.model.Pause(time.Duration(w.random.Int64N(int64(params.QueueTimeout))))
		}
		args := p.model.Ask(tokens, wait, 0)
		got, err := simulated.eval(script, quotaKey, args)
		if err != nil {
			t.Fatal(err)
		}
		if err := real.HSet(t.Context(), quotaKey+":clock", "s", now/1_000_000, "us", now%1_000_000).Err(); err != nil {
			t.Fatal(err)
		}
		want, err := driven.Run(t.Context(), real, []string{quotaKey}, args...).Text()
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("step %d, %v: the simulated Redis says %q, the real one %q", i, args, got, want)
		}
		b, granted, err := p.model.Answered(got, tokens)
		if err != nil {
			t.Fatal(err)
		}
		if !granted {
			refused++
			continue
		}
		p.model.Settle(&b, w.random.IntN(4) > 0, tokens/2)
	}
	if refused == 0 || refused == 300 {
		t.Errorf("%d of 300 bookings were refused: both sides should be seen", refused)
	}
}
