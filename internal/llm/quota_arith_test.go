package llm

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

// gaps are pauses between arrivals, from a stampede to longer than a window.
func gaps(w micros) *rapid.Generator[micros] {
	return rapid.OneOf(rapid.Just(micros(0)), rapid.Int64Range(0, w/500), rapid.Int64Range(0, w/20), rapid.Int64Range(0, 2*w))
}

// No window of the contract's length sees more starts than the contract, for any burst, rate and arrivals, when calls
// start as late as they may, and when some are given back at any moment until then.
func TestQuotaArithmeticKeepsTheContract(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.Int64Range(1_000, 60_000_000).Draw(t, "window")
		q := rapid.Int64Range(0, w).Draw(t, "queue timeout")
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		burst := rapid.IntRange(1, limit).Draw(t, "burst")
		b := bucket{interval: emission(limit, burst, w, q)}
		b.burst = int64(burst) * b.interval

		type refund struct{ at, mark micros }
		var refunds []refund
		var starts []started
		for now, n := micros(0), rapid.IntRange(1, 300).Draw(t, "calls"); n > 0; n-- {
			now += gaps(w).Draw(t, "gap")
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
			if rapid.IntRange(0, 2).Draw(t, "fate") == 0 {
				refunds = append(refunds, refund{rapid.Int64Range(now, now+q).Draw(t, "given back"), mark})
			} else {
				starts = append(starts, started{rapid.Int64Range(start, now+q).Draw(t, "start"), 1})
			}
		}
		if got := most(starts, w); got > int64(limit) {
			t.Fatalf("%d starts in a window, the contract is %d (burst %d, interval %d)", got, limit, burst, b.interval)
		}
	})
}

// The same for units: tokens of this pod's share, with what was not used given back.
func TestQuotaShareKeepsItsTokens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.Int64Range(1_000, 60_000_000).Draw(t, "window")
		q := rapid.Int64Range(0, w).Draw(t, "queue timeout")
		limit := rapid.IntRange(2, 5000).Draw(t, "limit")
		_, b, largest, _ := contract{tokens: limit, window: w, queue: q}.share(1)
		type refund struct{ at, mark, cost micros }
		var refunds []refund
		var starts []started
		for now, n := micros(0), rapid.IntRange(1, 200).Draw(t, "calls"); n > 0; n-- {
			now += gaps(w).Draw(t, "gap")
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
			at := rapid.Int64Range(start, now+q).Draw(t, "start")
			starts = append(starts, started{at, used})
			refunds = append(refunds, refund{at + rapid.Int64Range(0, w).Draw(t, "took"), mark, (estimate - used) * b.interval})
		}
		if got := most(starts, w); got > int64(limit) {
			t.Fatalf("%d tokens in a window, the share is %d", got, limit)
		}
	})
}

// Giving back what was booked long ago must not become credit for time that has passed.
func TestQuotaRefundOfAnIdleBucketIsNothing(t *testing.T) {
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

func TestQuotaSharesAddUpToNoMoreThanTheContract(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := QuotaConfig{
			Requests: rapid.IntRange(1, 5000).Draw(t, "requests"), Tokens: rapid.IntRange(2, 1_000_000).Draw(t, "tokens"),
			Window: time.Minute, Shares: rapid.IntRange(1, 50).Draw(t, "shares"),
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

func TestQuotaContractDefaults(t *testing.T) {
	t.Parallel()
	c := newContract(QuotaConfig{Requests: 1000, Window: time.Minute}, 5*time.Second)
	if c.burst != 20 || c.interval != 66_327 { // 65 s / 980 calls
		t.Errorf("burst %d, interval %d µs", c.burst, c.interval)
	}
	c = newContract(QuotaConfig{Requests: 1, Window: time.Minute}, 5*time.Second)
	if c.burst != 1 || c.interval != 65_000_001 { // one call, and none within 65 s after it
		t.Errorf("burst %d, interval %d µs", c.burst, c.interval)
	}
}

func BenchmarkQuotaArithmetic(b *testing.B) {
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
