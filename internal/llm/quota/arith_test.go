package quota

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// started is what a test saw start: when, and how much.
type started struct {
	at micros
	n  int64
}

// most returns the largest sum of starts in any closed window of length w.
func most(starts []started, w micros) (sum int64) {
	slices.SortFunc(starts, func(a, b started) int { return int(a.at - b.at) })
	var in int64
	first := 0
	for _, s := range starts {
		in += s.n
		for starts[first].at < s.at-w {
			in -= starts[first].n
			first++
		}
		sum = max(sum, in)
	}
	return sum
}

// pressure draws how fast calls arrive, from a stampede to less than the contract, and gaps between them at that
// tempo. A call in twenty comes after a long quiet time.
func pressure(t *rapid.T, interval, w micros) (gap func() micros) {
	tempo := rapid.SampledFrom([]micros{0, interval / 4, interval, 2 * interval, 4 * interval}).Draw(t, "tempo")
	return func() micros {
		if rapid.IntRange(0, 19).Draw(t, "quiet") == 19 {
			return rapid.Int64Range(0, 2*w).Draw(t, "gap")
		}
		return rapid.Int64Range(0, tempo).Draw(t, "gap")
	}
}

// lateness draws when between from and to a call goes on: as soon as it may, as late as it may, or anywhere between.
// Calls that are late before calls that are not are what makes windows full.
func lateness(t *rapid.T, from, to micros) micros {
	switch rapid.IntRange(0, 2).Draw(t, "lateness") {
	case 0:
		return from
	case 1:
		return to
	}
	return rapid.Int64Range(from, to).Draw(t, "at")
}

// No window of the contract's length sees more starts than the contract, for any burst, rate and arrivals, when calls
// start as late as they may, and when some are given back at any moment until then. And those that are kept start no
// earlier than if the others had never been there.
func TestArithmeticKeepsTheContract(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.Int64Range(1_000, 60_000_000).Draw(t, "window")
		q := rapid.Int64Range(0, w).Draw(t, "queue timeout")
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		burst := rapid.IntRange(1, limit).Draw(t, "burst")
		b := bucket{interval: emission(limit, burst, w, q)}
		b.burst = int64(burst) * b.interval

		type refund struct{ at, mark micros }
		var refunds []refund
		var starts []started
		without := bucket{interval: b.interval, burst: b.burst}
		gap, refunded := pressure(t, b.interval, w), rapid.IntRange(0, 3).Draw(t, "refunded of 4")
		for now, n := micros(0), rapid.IntRange(1, 300).Draw(t, "calls"); n > 0; n-- {
			now += gap()
			slices.SortFunc(refunds, func(a, b refund) int { return int(a.at - b.at) })
			for len(refunds) > 0 && refunds[0].at <= now {
				b.refund(refunds[0].at, refunds[0].mark, b.interval)
				refunds = refunds[1:]
			}
			start := b.start(now, b.interval)
			if start > now+q {
				continue
			}
			mark := b.book(now, b.interval)
			if rapid.IntRange(0, 3).Draw(t, "fate") < refunded {
				refunds = append(refunds, refund{lateness(t, now, now+q), mark})
			} else {
				starts = append(starts, started{lateness(t, start, now+q), 1})
				if least := without.start(now, b.interval); start < least {
					t.Fatalf("booked for %d, without the calls that were given back it would be %d", start, least)
				}
				without.book(now, b.interval)
			}
		}
		if got := most(starts, w); got > int64(limit) {
			t.Fatalf("%d starts in a window, the contract is %d (burst %d, interval %d)", got, limit, burst, b.interval)
		}
	})
}

// The same for units: tokens of this pod's share, with what was not used given back.
func TestShareKeepsItsTokens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.Int64Range(1_000, 60_000_000).Draw(t, "window")
		q := rapid.Int64Range(0, w).Draw(t, "queue timeout")
		limit := rapid.IntRange(2, 5000).Draw(t, "limit")
		_, b, largest, _ := contract{tokens: limit, window: w, queue: q}.share(1)
		type refund struct{ at, mark, cost micros }
		var refunds []refund
		var starts []started
		gap := pressure(t, b.interval*int64(largest)/2, w)
		for now, n := micros(0), rapid.IntRange(1, 200).Draw(t, "calls"); n > 0; n-- {
			now += gap()
			slices.SortFunc(refunds, func(a, b refund) int { return int(a.at - b.at) })
			for len(refunds) > 0 && refunds[0].at <= now {
				b.refund(refunds[0].at, refunds[0].mark, refunds[0].cost)
				refunds = refunds[1:]
			}
			estimate := rapid.Int64Range(1, int64(largest)).Draw(t, "estimate")
			cost := estimate * b.interval
			start := b.start(now, cost)
			if start > now+q {
				continue
			}
			mark := b.book(now, cost)
			used := rapid.Int64Range(0, estimate).Draw(t, "used")
			at := lateness(t, start, now+q)
			starts = append(starts, started{at, used})
			refunds = append(refunds, refund{at + rapid.Int64Range(0, w).Draw(t, "took"), mark,
				(estimate - used) * b.interval})
		}
		if got := most(starts, w); got > int64(limit) {
			t.Fatalf("%d tokens in a window, the share is %d", got, limit)
		}
	})
}

// Giving back what was booked long ago must not become credit for time that has passed.
func TestRefundOfAnIdleBucketIsNothing(t *testing.T) {
	t.Parallel()
	b := bucket{interval: 10, burst: 10}
	mark := b.book(0, 10)
	b.refund(1000, mark, 10)
	if b.end != 10 {
		t.Errorf("the bucket ends at %d after the refund, want 10 as before", b.end)
	}
	mark = b.book(1000, 10)
	b.refund(1004, mark, 10) // 4 of 10 have leaked out
	if b.end != 1004 {
		t.Errorf("the bucket ends at %d after the refund, want 1004", b.end)
	}
}

func TestSharesAddUpToNoMoreThanTheContract(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Requests: rapid.IntRange(1, 5000).Draw(t, "requests"),
			Tokens:   rapid.IntRange(2, 1_000_000).Draw(t, "tokens"),
			Window:   time.Minute, Shares: rapid.IntRange(1, 50).Draw(t, "shares"),
		}
		c := newContract(cfg, 5*time.Second)
		r, tok, largest, ok := c.share(cfg.Shares)
		if !ok {
			if cfg.Requests >= cfg.Shares && cfg.Tokens >= 2*cfg.Shares {
				t.Fatal("there is a share, and it is refused")
			}
			return
		}
		span, n := c.window+c.queue, int64(cfg.Shares)
		if got := n * (r.burst/r.interval + span/r.interval); got > int64(cfg.Requests) {
			t.Errorf("all shares allow %d calls of %d", got, cfg.Requests)
		}
		if r.interval < n*c.interval {
			t.Errorf("all shares together are faster than the contract's own pace")
		}
		if got := n * (int64(largest) + span/tok.interval); got > int64(cfg.Tokens) {
			t.Errorf("all shares allow %d tokens of %d", got, cfg.Tokens)
		}
	})
}

func TestContractDefaults(t *testing.T) {
	t.Parallel()
	c := newContract(Config{Requests: 1000, Window: time.Minute}, 5*time.Second)
	if c.burst != 20 || c.interval != 66_327 { // 65 s / 980 calls
		t.Errorf("burst %d, interval %d µs", c.burst, c.interval)
	}
	c = newContract(Config{Requests: 1, Window: time.Minute}, 5*time.Second)
	if c.burst != 1 || c.interval != 65_000_001 { // one call, and none within 65 s after it
		t.Errorf("burst %d, interval %d µs", c.burst, c.interval)
	}
}

func BenchmarkArithmetic(b *testing.B) {
	q := bucket{interval: 10, burst: 100}
	now := micros(0)
	b.ReportAllocs()
	for b.Loop() {
		now += 10
		if q.start(now, 10) <= now {
			mark := q.book(now, 10)
			q.refund(now+1, mark, 5)
		}
	}
}
