package quota

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
)

const testQueue = 5 * time.Second

func newTestQuota(t testing.TB, cfg Config, rdb *redisx.Client) *Quota {
	t.Helper()
	return newQuotaFor(t, cfg, testQueue, rdb)
}

func newQuotaFor(t testing.TB, cfg Config, queue time.Duration, rdb *redisx.Client) *Quota {
	t.Helper()
	if cfg.Window == 0 {
		cfg.Window = time.Minute
	}
	cfg.Shares = max(cfg.Shares, 1)
	q, err := New(cfg, queue, rdb, "vendor.test", slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ok(t, err)
	t.Cleanup(func() { ok(t, q.Close()) })
	return q
}

func rejection(t testing.TB, err error) *outcome.Rejected {
	t.Helper()
	r, ok := errors.AsType[*outcome.Rejected](err)
	if !ok {
		t.Fatalf("got %v, want a rejection", err)
	}
	return r
}

// sized is a call whose estimate is prompt + most tokens.
func sized(class llm.Priority, prompt, most int) *llm.Call {
	return &llm.Call{Priority: class, Payload: llm.Payload{PromptTokens: prompt, MaxTokens: most}}
}

// In local mode a share of 31 calls a minute starts them 65/30 s apart, without credit from before.
func TestSleepsOnceAndRejectsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{Requests: 31, Burst: 1}, nil)
		const interval = 65 * time.Second / 30
		begin := time.Now()
		// The first call waits an interval, the second two: 4.3 s of the 5 s that high priority may wait.
		for i := range 2 {
			start := time.Now()
			var wg sync.WaitGroup
			for range 1 {
				wg.Go(func() {
					_, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
					ok(t, err)
				})
			}
			wg.Wait()
			if d := time.Since(start); d < interval || d > interval+time.Millisecond {
				t.Errorf("call %d slept %v, want %v", i, d, interval)
			}
		}
		// At one moment: the classes see queues of different lengths.
		asleep := func(class llm.Priority) {
			go func() { _, _ = q.Enter(t.Context(), sized(class, 1, 1)) }()
			synctest.Wait()
		}
		for _, test := range []struct {
			class llm.Priority
			queue int // calls asleep after this one
		}{{llm.Low, 0}, {llm.Normal, 1}, {llm.Normal, 1}, {llm.High, 2}, {llm.High, 2}} {
			asleep(test.class)
			if got := q.Waiting(); got != test.queue {
				t.Errorf("after a %v call %d are asleep, want %d", test.class, got, test.queue)
			}
		}
		now := time.Now()
		_, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
		if r := rejection(t, err); r.Reason != outcome.VendorRateLimited || r.RetryAfter <= testQueue ||
			r.RetryAfter > 3*interval+time.Millisecond {
			t.Errorf("got %+v, want to come back when the call could start", r)
		}
		if time.Now() != now {
			t.Error("a rejection took time")
		}
		time.Sleep(2*interval + time.Millisecond)
		synctest.Wait()
		if q.Waiting() != 0 {
			t.Errorf("%d calls are asleep %v after the start", q.Waiting(), time.Since(begin))
		}
	})
}

// A call whose client leaves gives its place back; each end of the wait has its own cause.
func TestWaitCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{Requests: 31, Burst: 1}, nil)
		ends := map[string]struct {
			cause error
			want  func(error) bool
		}{
			"hang-up": {context.Canceled, func(err error) bool { return errors.Is(err, context.Canceled) }},
			"queue timeout": {llm.ErrQueueTimeout,
				func(err error) bool { return rejection(t, err).Reason == outcome.QueueTimeout }},
			"SLA": {context.DeadlineExceeded,
				func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		}
		for name, end := range ends {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second/2, func() { cancel(end.cause) })
			_, err := q.Enter(ctx, sized(llm.High, 1, 1))
			if !end.want(err) {
				t.Errorf("%s gave %v", name, err)
			}
		}
		if _, err := q.Enter(t.Context(), sized(llm.Normal, 1, 1)); err != nil {
			t.Errorf("after all have left: %v", err)
		}
	})
}

// The patience of a call ends with its context, so that what the SLA has left is not booked.
func TestBooksNoFurtherThanTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{Requests: 31, Burst: 1}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := q.Enter(ctx, sized(llm.High, 1, 1))
		rejection(t, err)
		if q.Waiting() != 0 {
			t.Error("the call is asleep")
		}
	})
}

// Story of a pause that comes while calls sleep: calls that can wait so long start later, and the others are rejected
// at once.
func TestObeysTheVendorWhileCallsSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{Requests: 31, Burst: 1}, nil)
		leave, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
		ok(t, err)
		begin := time.Now()
		var slept time.Duration
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
			ok(t, err)
			slept = time.Since(begin)
		})
		synctest.Wait()
		leave(llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindRateLimit,
			Status: http.StatusTooManyRequests, RetryAfter: 4 * time.Second}})
		if err := q.Recheck(nil); rejection(t, err).RetryAfter != 4*time.Second {
			t.Errorf("a call that had passed: %v", err)
		}
		_, err = q.Enter(t.Context(), sized(llm.High, 1, 1))
		if r := rejection(t, err); r.RetryAfter <= testQueue { // behind the one that sleeps, which starts in 4 s
			t.Errorf("a new call: %+v", r)
		}
		wg.Wait()
		if slept != 4*time.Second {
			t.Errorf("the call slept %v, want the 4 s the vendor asked for", slept)
		}
		if err := q.Recheck(nil); err != nil {
			t.Errorf("after the pause: %v", err)
		}

		time.Sleep(time.Minute)
		leave, err = q.Enter(t.Context(), sized(llm.High, 1, 1))
		ok(t, err)
		begin = time.Now()
		wg.Go(func() {
			_, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
			if r := rejection(t, err); r.Reason != outcome.VendorRateLimited || r.RetryAfter != 20*time.Second {
				t.Errorf("got %+v", r)
			}
		})
		synctest.Wait()
		leave(llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindStatus,
			Status: http.StatusServiceUnavailable, RetryAfter: 20 * time.Second}})
		wg.Wait()
		if d := time.Since(begin); d != 0 {
			t.Errorf("the call was turned away after %v", d)
		}
	})
}

// In local mode a pod uses at most the nth part of the contract in any window, tokens too. What was not used is given
// back.
func TestAloneKeepsToItsShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{Requests: 1000, Tokens: 60_000, Shares: 10}, nil)
		var calls, tokens []started
		begin := time.Now()
		for time.Since(begin) < 5*time.Minute {
			leave, err := q.Enter(t.Context(), sized(llm.High, 100, 900))
			if err != nil {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			at := time.Since(begin).Microseconds()
			calls, tokens = append(calls, started{at, 1}), append(tokens, started{at, 400})
			leave(llm.Result{Called: true, Usage: llm.Usage{Prompt: 100, Completion: 300}})
		}
		if got := most(calls, time.Minute.Microseconds()); got > 100 {
			t.Errorf("%d calls in a minute, the share is 100", got)
		}
		if got := most(tokens, time.Minute.Microseconds()); got > 6000 || got < 2500 {
			t.Errorf("%d tokens in a minute, the share is 6000", got)
		}
		_, err := q.Enter(t.Context(), sized(llm.High, 100, 3000))
		if r := rejection(t, err); r.Detail != q.details[whyShare] || r.Reason != outcome.VendorRateLimited ||
			r.RetryAfter == 0 {
			t.Errorf("a call larger than the share: %+v", r)
		}
	})
}

func TestTurnsAwayWhatCanNeverPass(t *testing.T) {
	t.Parallel()
	q := newTestQuota(t, Config{Tokens: 1000}, nil)
	_, err := q.Enter(t.Context(), sized(llm.High, 500, 501))
	if r := rejection(t, err); r.Reason != outcome.PayloadTooLarge || r.RetryAfter != 0 ||
		r.Detail != q.details[whySize] {
		t.Errorf("got %+v", r)
	}
	// An image's cost is a guess: only text makes a call too large. It books the whole contract and passes when that is
	// free.
	image := sized(llm.High, 400, 500)
	image.Payload.MediaTokens = 5000
	if got := q.estimate(&image.Payload); got != 1000 {
		t.Errorf("a call with an image books %d tokens of a contract of 1000", got)
	}
	_, err = q.Enter(t.Context(), image)
	if r := rejection(t, err); r.Reason != outcome.VendorRateLimited || r.Detail == q.details[whySize] {
		t.Errorf("a call whose text fits: %+v", r)
	}
	// A contract that cannot be divided has no share that would be safe.
	q = newTestQuota(t, Config{Requests: 5, Shares: 10}, nil)
	_, err = q.Enter(t.Context(), sized(llm.High, 1, 1))
	if r := rejection(t, err); r.Detail != q.details[whyShare] || r.RetryAfter == 0 {
		t.Errorf("got %+v", r)
	}
}

// Without a contract nothing is booked, but the pauses that the vendor asks for are obeyed.
func TestWithoutAContractOnlyPausesCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newTestQuota(t, Config{}, nil)
		leave, err := q.Enter(t.Context(), sized(llm.Low, 1, 1<<30))
		ok(t, err)
		leave(llm.Result{Called: true, Err: &llm.VendorError{
			Kind: llm.KindRateLimit, Status: http.StatusTooManyRequests, RetryAfter: 4 * time.Second,
		}})
		_, err = q.Enter(t.Context(), sized(llm.Low, 1, 1))
		if r := rejection(t, err); r.RetryAfter != 4*time.Second || r.Reason != outcome.VendorRateLimited {
			t.Errorf("a call that may not wait: %+v", r)
		}
		begin := time.Now()
		_, err = q.Enter(t.Context(), sized(llm.High, 1, 1))
		ok(t, err)
		if waited := time.Since(begin); waited != 4*time.Second {
			t.Errorf("a call that may wait started after %v", waited)
		}
		ok(t, q.Recheck(nil))
	})
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	valid := Config{Requests: 10, Tokens: 10, Window: time.Minute, Shares: 1, Fallback: "share"}
	ok(t, valid.Validate())
	ok(t, Config{}.Validate())
	for name, change := range map[string]func(*Config){
		"QUOTA_REQUESTS": func(c *Config) { c.Requests = -1 },
		"QUOTA_TOKENS":   func(c *Config) { c.Tokens = -1 },
		"QUOTA_BURST":    func(c *Config) { c.Burst = 11 },
		"QUOTA_WINDOW":   func(c *Config) { c.Window = 0 },
		"QUOTA_SHARES":   func(c *Config) { c.Shares = 0 },
		"QUOTA_FALLBACK": func(c *Config) { c.Fallback = "hope" },
	} {
		c := valid
		change(&c)
		if err := c.Validate(); err == nil || err.Error()[:len(name)] != name {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// When local mode begins, calls that still sleep on starts that Redis booked count against the pod's share.
func TestAloneCountsThoseAsleep(t *testing.T) {
	t.Parallel()
	now := time.Now()
	delay := func(asleep int64) time.Duration {
		p := newPodState(newContract(Config{Requests: 600, Window: time.Minute, Burst: 60, Shares: 10}, testQueue), 10,
			false, func() time.Time { return now })
		b, v := p.bookLocal(0, time.Hour.Microseconds(), asleep, now)
		if !v.admitted {
			t.Fatalf("%+v", v)
		}
		return time.Duration(b.delay) * time.Microsecond
	}
	interval := time.Duration(newPodState(newContract(Config{Requests: 600, Window: time.Minute, Burst: 60, Shares: 10},
		testQueue), 10, false, time.Now).local.requests.interval) * time.Microsecond
	if more := delay(5) - delay(0); more != 5*interval {
		t.Errorf("five calls asleep put the next off by %v, want %v", more, 5*interval)
	}
}
