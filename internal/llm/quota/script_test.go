package quota

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// scripted runs quota.lua itself on a clock that the test drives.
type scripted struct {
	t      testing.TB
	rdb    redis.UniversalClient
	key    string
	script *redis.Script
	now    micros
}

// epoch is where driven clocks begin: a present-day number of microseconds, for its size.
const epoch = 1_760_000_000_000_000

func newScripted(t testing.TB, rdb redis.UniversalClient, key string, c contract) *scripted {
	t.Helper()
	text := strings.Replace(c.source(), "redis.call('TIME')", "redis.call('HMGET', KEYS[1] .. ':clock', 's', 'us')", 1)
	s := &scripted{t: t, rdb: rdb, key: "llm:{" + key + "}:quota", script: redis.NewScript(text), now: epoch}
	return s
}

// run takes the tokens and the longest wait of one call, and then the further arguments of quota.lua.
func (s *scripted) run(args ...any) ruling {
	s.t.Helper()
	return s.together(fmt.Sprint(args[0], " ", args[1]), 1, args[2:]...)[0]
}

// together books calls in one run of the script; pairs are their tokens and longest waits.
func (s *scripted) together(pairs string, calls int, rest ...any) []ruling {
	s.t.Helper()
	ctx := s.t.Context()
	ok(s.t, s.rdb.HSet(ctx, s.key+":clock", "s", s.now/1_000_000, "us", s.now%1_000_000).Err())
	text, err := s.script.Run(ctx, s.rdb, []string{s.key}, append([]any{pairs}, rest...)...).Text()
	ok(s.t, err)
	batch := make([]*entry, calls)
	for i := range batch {
		batch[i] = new(entry)
	}
	ok(s.t, parseRulings(text, batch))
	rulings := make([]ruling, calls)
	for i, one := range batch {
		rulings[i] = one.ruling
	}
	return rulings
}

// book books, with the report of p.
func (s *scripted) book(tokens int64, wait micros, p *pending) ruling {
	s.t.Helper()
	list := []any{tokens, wait}
	if r := p.take(time.Now(), 0); r != nil {
		list = r.append(list)
	}
	return s.run(list...)
}

// life is one call of the property test, from its booking to its end.
type life struct {
	booking
	settleAt, start micros
	called          bool
	used            int64
}

// For all arrivals, refunds, durations of calls and errors of estimates no window sees more calls or more tokens than
// the contract. Calls start in the order of their bookings. The pace of the tokens is switched off in half of the runs,
// because the ledger alone has to keep the limit.
func TestScriptKeepsTheContract(t *testing.T) {
	t.Parallel()
	redistest.OnEach(t, func(t *testing.T, rdb redis.UniversalClient) {
		rapid.Check(t, func(rt *rapid.T) {
			ok(t, rdb.FlushDB(t.Context()).Err())
			cfg := Config{
				Requests: rapid.IntRange(1, 12).Draw(rt, "requests"),
				Tokens:   rapid.IntRange(100, 1000).Draw(rt, "tokens"),
				Window:   time.Duration(rapid.IntRange(1, 60).Draw(rt, "window")) * time.Second,
			}
			if rapid.Bool().Draw(rt, "tokens only") {
				cfg.Requests = 0
			}
			cfg.Burst = rapid.IntRange(0, cfg.Requests).Draw(rt, "burst")
			queue := time.Duration(rapid.Int64Range(1, cfg.Window.Milliseconds()).Draw(rt, "queue")) * time.Millisecond
			c := newContract(cfg, queue)
			if rapid.Bool().Draw(rt, "no pace") {
				c.pace, c.tokenBurst = 0, 0
			}
			calls, tokens := newScripted(t, rdb, "property", c).live(rt, c)
			if got := most(calls, c.window); cfg.Requests > 0 && got > int64(cfg.Requests) {
				rt.Fatalf("%d calls in a window of %d", got, cfg.Requests)
			}
			if got := most(tokens, c.window); got > int64(cfg.Tokens) {
				rt.Fatalf("%d tokens in a window of %d", got, cfg.Tokens)
			}
		})
	})
}

// live draws a history of calls and returns what the vendor saw.
func (s *scripted) live(rt *rapid.T, c contract) (calls, tokens []started) {
	s.t.Helper()
	p := newPending()
	var lives []life
	lastStart := micros(0)
	tempo := c.interval
	if tempo == 0 {
		tempo = c.window / 10
	}
	gap, uncalled := pressure(rt, tempo, c.window), rapid.IntRange(0, 3).Draw(rt, "uncalled of 4")
	largest := rapid.Int64Range(1, int64(c.tokens)).Draw(rt, "largest")
	for n := rapid.IntRange(1, 50).Draw(rt, "calls"); n > 0; n-- {
		s.now += gap()
		lives = tell(lives, s.now, p)
		estimate := rapid.Int64Range(1, largest).Draw(rt, "estimate")
		r := s.book(estimate, c.queue, p)
		if !r.admitted {
			continue
		}
		booked := s.now + r.delay
		if booked < lastStart {
			rt.Fatalf("booked for %d, before the call in front of it at %d", booked, lastStart)
		}
		lastStart = booked
		l := life{booking: booking{tokens: estimate, mark: r.mark, cost: r.cost, slice: r.slice, pause: r.pause}}
		l.start = lateness(rt, booked, s.now+c.queue)
		l.called = rapid.IntRange(0, 3).Draw(rt, "fate") >= uncalled
		l.settleAt = lateness(rt, s.now, l.start)
		if l.called {
			l.used = lateness(rt, 0, estimate)
			l.settleAt = l.start + lateness(rt, 0, c.window)
			calls = append(calls, started{l.start, 1})
			tokens = append(tokens, started{l.start, l.used})
		}
		lives = append(lives, l)
	}
	return calls, tokens
}

// tell reports the calls that have ended by now, and returns the others.
func tell(lives []life, now micros, p *pending) (rest []life) {
	for _, l := range lives {
		switch {
		case l.settleAt > now:
			rest = append(rest, l)
		case l.called:
			p.add(time.Now(), func(r *report) { r.settle(&l.booking, l.used, 0) })
		default:
			p.add(time.Now(), func(r *report) { r.refund(&l.booking) })
		}
	}
	return rest
}
