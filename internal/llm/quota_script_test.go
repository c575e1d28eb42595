package llm

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
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

// run takes the arguments of quota.lua.
func (s *scripted) run(args ...any) ruling {
	s.t.Helper()
	ctx := s.t.Context()
	ok(s.t, s.rdb.HSet(ctx, s.key+":clock", "s", s.now/1_000_000, "us", s.now%1_000_000).Err())
	text, err := s.script.Run(ctx, s.rdb, []string{s.key}, args...).Text()
	ok(s.t, err)
	r, err := parseRuling(text)
	ok(s.t, err)
	return r
}

// book books with what p has to tell.
func (s *scripted) book(tokens int64, wait micros, p *pending) ruling {
	s.t.Helper()
	return s.run(p.take([]any{tokens, wait}, time.Now(), 0)...)
}

// onEachRedis runs f on an embedded and on a real Redis.
func onEachRedis(t *testing.T, f func(t *testing.T, rdb redis.UniversalClient)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		f(t, rdb)
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		f(t, redistest.Start(t).Client())
	})
}

// life is the fate of one call in the property test.
type life struct {
	booking
	settleAt, start micros
	called          bool
	used            int64
}

// Whatever arrives, whatever is given back and when, however long calls take and however far estimates are off: no window
// sees more calls or more tokens than the contract. Starts are in the order of bookings.
func TestQuotaScriptKeepsTheContract(t *testing.T) {
	t.Parallel()
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		rapid.Check(t, func(rt *rapid.T) {
			ok(t, rdb.FlushDB(t.Context()).Err())
			cfg := QuotaConfig{
				Requests: rapid.IntRange(1, 40).Draw(rt, "requests"), Tokens: rapid.IntRange(100, 3000).Draw(rt, "tokens"),
				Window: time.Duration(rapid.IntRange(1, 60).Draw(rt, "window")) * time.Second,
			}
			cfg.Burst = rapid.IntRange(0, cfg.Requests).Draw(rt, "burst")
			queue := time.Duration(rapid.IntRange(1, 5000).Draw(rt, "queue")) * time.Millisecond
			c := newContract(cfg, queue)
			s := newScripted(t, rdb, "property", c)
			p := newPending()
			var calls, tokens []started
			var lives []life
			lastStart := micros(0)
			for n := rapid.IntRange(1, 60).Draw(rt, "calls"); n > 0; n-- {
				s.now += gaps(c.window).Draw(rt, "gap")
				lives = tell(lives, s.now, p)
				estimate := rapid.Int64Range(1, int64(cfg.Tokens)/2).Draw(rt, "estimate")
				r := s.book(estimate, c.queue, p)
				if r.admitted == 0 {
					continue
				}
				l := life{booking: booking{tokens: estimate, mark: r.mark, cost: r.cost, slice: r.slice, pause: r.pause}}
				booked := s.now + r.delay
				if booked < lastStart {
					rt.Fatalf("booked for %d, before the call in front of it at %d", booked, lastStart)
				}
				lastStart = booked
				l.start = rapid.Int64Range(booked, s.now+c.queue).Draw(rt, "start")
				l.called = rapid.IntRange(0, 3).Draw(rt, "fate") > 0
				l.settleAt = rapid.Int64Range(s.now, l.start).Draw(rt, "left")
				if l.called {
					l.used = rapid.Int64Range(0, estimate).Draw(rt, "used")
					l.settleAt = l.start + gaps(c.window).Draw(rt, "took")
					calls = append(calls, started{l.start, 1})
					tokens = append(tokens, started{l.start, l.used})
				}
				lives = append(lives, l)
			}
			if got := most(calls, c.window); got > int64(cfg.Requests) {
				rt.Fatalf("%d calls in a window of %d", got, cfg.Requests)
			}
			if got := most(tokens, c.window); got > int64(cfg.Tokens) {
				rt.Fatalf("%d tokens in a window of %d", got, cfg.Tokens)
			}
		})
	})
}

// tell notes what has ended by now and returns the lives that go on.
func tell(lives []life, now micros, p *pending) (rest []life) {
	for _, l := range lives {
		switch {
		case l.settleAt > now:
			rest = append(rest, l)
		case l.called:
			p.add(time.Now(), func() { p.settleLocked(&l.booking, l.used, 0) })
		default:
			p.add(time.Now(), func() { p.refundLocked(&l.booking) })
		}
	}
	return rest
}
