package quota

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// minute is a contract of 100 calls with a burst of 10 and of 6,000 tokens in 60 s; the queue timeout is 5 s.
func minute(change func(*Config)) contract {
	cfg := Config{Requests: 100, Tokens: 6000, Burst: 10, Window: time.Minute, Shares: 10}
	if change != nil {
		change(&cfg)
	}
	return newContract(cfg, 5*time.Second)
}

func onlyRequests(cfg *Config) { cfg.Tokens = 0 }

// warm leaves a state behind that is neither new nor used.
func (s *scripted) warm() *scripted {
	s.run(-1, 0)
	s.now += 3 * 3600 * 1_000_000
	return s
}

func bookingOf(r ruling) *booking {
	return &booking{mark: r.mark, slice: r.slice, cost: r.cost, pause: r.pause}
}

// Story of a new state, after the first start or when Redis came back empty: what was used before is not known.
func TestScriptBeginsWithoutCredit(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(nil)
		s := newScripted(t, rdb, "cold", c)
		// One call passes at once, so that a new service answers its first caller.
		if r := s.run(10, 0); !r.admitted {
			t.Fatalf("first call: %+v", r)
		}
		// The next one waits an interval: there is no burst.
		if r := s.run(10, 0); r.admitted || r.delay != c.interval || r.why != whyRequests {
			t.Errorf("second call: %+v, want a wait of %d", r, c.interval)
		}
		// An idle time later the burst is there.
		s.now += 60 * 1_000_000
		for i := range 10 {
			if r := s.run(10, 0); !r.admitted {
				t.Fatalf("call %d of the burst: %+v", i, r)
			}
		}
		if r := s.run(10, 0); r.admitted {
			t.Errorf("call after the burst: %+v", r)
		}
		// Redis loses everything: no second burst, and a new generation.
		old := s.run(-1, 0)
		ok(t, rdb.FlushDB(t.Context()).Err())
		s.now += 1_000
		if r := s.run(10, 0); !r.admitted || r.generation <= old.generation {
			t.Errorf("after the loss: %+v", r)
		}
		if r := s.run(10, 0); r.admitted {
			t.Errorf("a second call after the loss: %+v", r)
		}
	})
}

// When the clock goes back, as after a failover to another machine, calls are still admitted.
func TestScriptSurvivesAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(onlyRequests)
		s := newScripted(t, rdb, "clock", c).warm()
		for range 20 {
			s.run(0, c.queue)
		}
		s.now -= 30 * 1_000_000 // less than a window: the queue is no longer than it can ever be
		if r := s.run(0, 0); r.delay > c.queue+c.interval {
			t.Errorf("30 s back: a wait of %d µs", r.delay)
		}
		s.now -= 3600 * 1_000_000 // more: a new state
		if r := s.run(0, 0); !r.admitted {
			t.Errorf("an hour back: %+v", r)
		}
	})
}

func TestScriptBooksBothOrNeither(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newScripted(t, rdb, "both", minute(nil)).warm()
		s.run(5900, 0)
		before := rdb.HGetAll(t.Context(), s.key).Val()
		if r := s.run(200, 0); r.admitted || r.why != whyTokens {
			t.Fatalf("a call over the tokens: %+v", r)
		}
		for _, field := range []string{"rtat", "ttat", "sum", "last"} {
			if after := rdb.HGet(t.Context(), s.key, field).Val(); after != before[field] {
				t.Errorf("a rejected call changed %s from %s to %s", field, before[field], after)
			}
		}
	})
}

// A large call that has to wait for tokens is not overtaken, so it cannot starve.
func TestScriptServesInOrder(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(nil)
		s := newScripted(t, rdb, "order", c).warm()
		s.run(600, 0)
		large := s.run(400, c.queue)
		if !large.admitted || large.delay == 0 {
			t.Fatalf("the large call: %+v, want it to wait", large)
		}
		small := s.run(1, c.queue)
		if !small.admitted || small.delay < large.delay {
			t.Errorf("a small call waits %d µs, the large one in front of it %d", small.delay, large.delay)
		}
		if r := s.run(1, instant.Microseconds()); r.admitted {
			t.Errorf("a call that cannot wait passed those that do: %+v", r)
		}
	})
}

func TestScriptGivesBackWhatWasNotUsed(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(func(cfg *Config) { cfg.Burst = 1 })
		s := newScripted(t, rdb, "refund", c).warm()
		p := newPending()
		// Booked and not called: the next call finds everything as it was.
		b := bookingOf(s.run(5500, 0))
		b.tokens = 5500
		p.add(time.Now(), func(r *report) { r.refund(b) })
		second := s.book(5500, 0, p)
		if !second.admitted {
			t.Fatalf("after the refund: %+v", second)
		}
		// Called, and it used less than its estimate: the tokens are back, the call is not.
		b = bookingOf(second)
		b.tokens = 5500
		p.add(time.Now(), func(r *report) { r.settle(b, 1, micros(c.pace)-b.cost) })
		if r := s.book(5500, 0, p); r.admitted || r.why != whyRequests {
			t.Errorf("right after: %+v, want it to wait for its request", r)
		}
		s.now += c.interval
		third := s.book(5500, 0, p)
		if !third.admitted {
			t.Errorf("an interval later: %+v", third)
		}
		// It used more than its estimate: the next calls wait longer.
		b = bookingOf(third)
		b.tokens = 5500
		p.add(time.Now(), func(r *report) { r.settle(b, 5990, micros(5990*c.pace)-b.cost) })
		s.now += c.interval
		if r := s.book(100, 0, p); r.admitted || r.why != whyTokens {
			t.Errorf("after a call that used more: %+v", r)
		}
	})
}

// Reports about a state that Redis has lost do not change the new state.
func TestScriptForgetsWhatIsOfAnotherGeneration(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newScripted(t, rdb, "generation", minute(nil)).warm()
		p := newPending()
		var old []*booking
		for range 5 {
			b := bookingOf(s.run(100, 0))
			b.tokens = 100
			old = append(old, b)
		}
		ok(t, rdb.FlushDB(t.Context()).Err())
		first := s.run(100, 0)
		for _, b := range old {
			p.add(time.Now(), func(r *report) { r.refund(b) })
		}
		if r := s.book(-1, 0, p); r.requests != first.requests || r.tokens != first.tokens {
			t.Errorf("old refunds changed the new state from %+v to %+v", first, r)
		}
	})
}

// A pod that returns from local mode brings no burst with it.
func TestScriptTakesInAPodThatWasAlone(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(nil)
		s := newScripted(t, rdb, "alone", c).warm()
		p := newPending()
		p.add(time.Now(), func(r *report) { r.addLocal(5000, 10_000) })
		r := s.run(p.take(time.Now(), 3).append([]any{10, 0})...)
		if want := 3 * c.interval; r.admitted || r.delay != want {
			t.Errorf("the first call: %+v, want it behind the three that sleep, after %d µs", r, want)
		}
		if r.tokens != 5000*1000/6000 {
			t.Errorf("%d ‰ of the tokens are used, want 5000 of 6000", r.tokens)
		}
	})
}

// With requests only, the script and the arithmetic of arith.go are the same, refunds at any time included; only
// that the script never books before the call in front.
func TestScriptIsTheArithmetic(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		rapid.Check(t, func(rt *rapid.T) {
			ok(t, rdb.FlushDB(t.Context()).Err())
			c := minute(func(cfg *Config) { onlyRequests(cfg); cfg.Burst = rapid.IntRange(1, 100).Draw(rt, "burst") })
			s := newScripted(t, rdb, "model", c).warm()
			b := bucket{interval: c.interval, burst: int64(c.burst) * c.interval}
			gap, last, p := pressure(rt, c.interval, c.window), micros(0), newPending()
			var booked []*booking
			for range rapid.IntRange(1, 30).Draw(rt, "calls") {
				s.now += gap()
				for len(booked) > 0 && rapid.Bool().Draw(rt, "give back") {
					i := rapid.IntRange(0, len(booked)-1).Draw(rt, "which")
					b.refund(s.now, booked[i].mark, b.interval)
					p.add(time.Now(), func(r *report) { r.refund(booked[i]) })
					booked = slices.Delete(booked, i, i+1)
				}
				want := max(b.start(s.now, b.interval), last)
				r := s.book(0, c.queue, p)
				if r.delay != want-s.now {
					rt.Fatalf("delay %d, want %d", r.delay, want-s.now)
				}
				if r.admitted {
					last = want
					if mark := b.book(s.now, b.interval); mark != r.mark {
						rt.Fatalf("mark %d, want %d", r.mark, mark)
					}
					booked = append(booked, bookingOf(r))
				}
			}
		})
	})
}

// Story of the ledger alone: tokens that were booked count until no call that may start late can share a window with
// them.
func TestScriptCountsTokensAsLongAsTheyCount(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		c := minute(func(cfg *Config) { cfg.Requests = 0 })
		c.pace, c.tokenBurst = 0, 0
		s := newScripted(t, rdb, "ledger", c).warm()
		begin := s.now
		if r := s.run(6000, 0); !r.admitted {
			t.Fatalf("the whole contract at once: %+v", r)
		}
		// The call may start 5 s later, so a call that starts within 65 s could be in one window with it.
		s.now = begin + c.window + c.queue
		if r := s.run(1, 0); r.admitted || r.delay > c.slice || r.why != whyTokens {
			t.Errorf("after window and queue timeout: %+v, want a wait of a slice at most", r)
		}
		// One that sleeps until then is not overtaken, also when a pause has moved it.
		s.now -= 3_000_000
		first := s.run(50, c.queue)
		if !first.admitted || first.delay < 3_000_000 {
			t.Fatalf("three seconds before: %+v", first)
		}
		s.run(-1, 0, 0, 2_000_000, 0, 0, 0, 0, 0)
		if r := s.run(1, 2*c.queue); r.delay < first.delay+2_000_000 {
			t.Errorf("waits %d µs, the call in front of it %d", r.delay, first.delay+2_000_000)
		}
		s.now = begin + c.window + 2*c.queue
		if r := s.run(5900, 0); !r.admitted {
			t.Errorf("when all have started: %+v", r)
		}
	})
}

// Under constant pressure the tokens flow evenly, neither far below the contract's pace nor on and off, also when
// answers are far shorter than they might be; and what a state occupies does not grow.
func TestScriptFlowsAtThePaceOfTheTokens(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client() // embedded Redis does the same, and takes half a minute for it
	c := minute(func(cfg *Config) { cfg.Requests = 0 })
	for _, test := range []struct {
		name           string
		estimate, used int64
		percent        int64 // of the contract that must be reached
	}{{"near", 22, 20, 75}, {"far", 100, 20, 55}} {
		s := newScripted(t, rdb, test.name, c).warm()
		starts := s.press(test.estimate, test.used, s.now+5*c.window)
		var sum, gap int64
		for i, st := range starts {
			if i > 0 && st.at > s.now-3*c.window {
				gap = max(gap, st.at-starts[i-1].at)
				sum += st.n
			}
		}
		if want := 3 * 6000 * test.percent / 100; sum < want {
			t.Errorf("%s: %d tokens in three windows, want %d", test.name, sum, want)
		}
		if gap > 2_000_000 {
			t.Errorf("%s: nothing started for %d µs", test.name, gap)
		}
		if n := rdb.HLen(t.Context(), s.key).Val(); n > 2*ledgerSlices {
			t.Errorf("%s: %d fields", test.name, n)
		}
	}
}

// press asks for 10 calls a second until end, more than any contract here; a call is settled 2 s after its start.
func (s *scripted) press(estimate, used int64, end micros) (starts []started) {
	s.t.Helper()
	p := newPending()
	var lives []life
	for s.now < end {
		s.now += 100_000
		lives = tell(lives, s.now, p)
		r := s.book(estimate, 5_000_000, p)
		if !r.admitted {
			continue
		}
		b := booking{tokens: estimate, mark: r.mark, cost: r.cost, slice: r.slice, pause: r.pause}
		lives = append(lives, life{booking: b, called: true, used: used, settleAt: s.now + r.delay + 2_000_000})
		starts = append(starts, started{s.now + r.delay, used})
	}
	return starts
}
