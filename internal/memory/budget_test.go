package memory_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/outcome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mib = 1 << 20

// bodyWait is how long bodies wait.
const bodyWait = 5 * time.Second

func newBudget(tb testing.TB, size int64) *memory.Budget {
	tb.Helper()
	b, err := memory.New(memory.Config{Budget: size}, 0, bodyWait, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// grow takes bytes at once, or fails the test.
func grow(t *testing.T, s *memory.Share, bytes int64) {
	t.Helper()
	if err := s.Grow(t.Context(), bytes); err != nil {
		t.Fatal(err)
	}
}

// growing takes bytes in the background; the channel gets the result.
func growing(ctx context.Context, s *memory.Share, bytes int64) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Grow(ctx, bytes) }()
	synctest.Wait()
	return done
}

func isFull(err error) bool {
	r, ok := errors.AsType[*outcome.Rejected](err)
	return ok && r.Layer == "memory" && r.Reason == outcome.Overloaded && r.RetryAfter > 0 &&
		errors.Is(err, memory.ErrFull)
}

// pending fails the test when a wait has ended.
func pending(t *testing.T, what string, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("%s does not wait: %v", what, err)
	default:
	}
}

// TestBodiesWaitAndAreRefused: bodies may use three quarters, and one byte to see the end of the largest. The next body
// waits until bytes are free, or is refused.
func TestBodiesWaitAndAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 4*mib)
		first, second, third := b.Share(memory.Body), b.Share(memory.Body), b.Share(memory.Body)
		grow(t, &first, 3*mib)
		start := time.Now()
		if err := second.Grow(t.Context(), 2); !isFull(err) || time.Since(start) != bodyWait {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		one, other := growing(t.Context(), &second, mib), growing(t.Context(), &third, mib)
		first.Shrink(mib)
		synctest.Wait()
		pending(t, "the one that came second", other)
		if err := <-one; err != nil {
			t.Error(err)
		}
		first.Free()
		if err := <-other; err != nil {
			t.Error(err)
		}
	})
}

// TestAnswersGoBeforeBodies: bodies leave bytes for answers, and wait while an answer waits.
func TestAnswersGoBeforeBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, 4*mib)
		body, answer, over := b.Share(memory.Body), b.Share(memory.Answer), b.Share(memory.Answer)
		grow(t, &body, 3*mib)
		grow(t, &answer, mib) // what bodies cannot have
		grow(t, &over, mib)   // one answer may exceed the budget
		late, newBody := b.Share(memory.Answer), b.Share(memory.Body)
		waits := growing(t.Context(), &late, 2*mib)
		pending(t, "a second answer beyond the budget", waits)
		behind := growing(t.Context(), &newBody, 1)
		answer.Free()
		synctest.Wait()
		pending(t, "a body that fits while an answer waits", behind)
		over.Free()
		if err := <-waits; err != nil {
			t.Error(err)
		}
		body.Free()
		if err := <-behind; err != nil {
			t.Error(err)
		}
	})
}

// TestWaitsEndWithTheirContext: an answer waits until its call ends. A client that hangs up has another cause.
func TestWaitsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, mib)
		full, over := b.Share(memory.Answer), b.Share(memory.Answer)
		grow(t, &full, mib)
		grow(t, &over, mib)
		gone := errors.New("the client hung up")
		ctx, hangUp := context.WithCancelCause(t.Context())
		answer := b.Share(memory.Answer)
		left := growing(ctx, &answer, 1)
		hangUp(gone)
		if err := <-left; !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := answer.Grow(ctx, 1); !isFull(err) || time.Since(start) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		over.Free()
		full.Free()
		grow(t, &answer, mib) // nothing is left of those that gave up
	})
}

// TestNeverMoreThanTheBudget: for any sequence of takes and returns, at most one answer exceeds the budget.
func TestNeverMoreThanTheBudget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		b := newBudget(t, 4*mib)
		var shares []*memory.Share
		held := map[*memory.Share]int64{}
		now, cancel := context.WithCancel(t.Context())
		cancel() // what does not fit at once is refused
		for range rapid.IntRange(1, 50).Draw(r, "steps") {
			if len(shares) > 0 && rapid.IntRange(0, 2).Draw(r, "free") == 0 {
				s := rapid.SampledFrom(shares).Draw(r, "which")
				s.Free()
				held[s] = 0
				continue
			}
			use := rapid.SampledFrom([]memory.Use{memory.Body, memory.Answer}).Draw(r, "use")
			s := new(memory.Share)
			*s = b.Share(use)
			bytes := int64(rapid.IntRange(1, 2*mib).Draw(r, "bytes"))
			if s.Grow(now, bytes) == nil {
				shares, held[s] = append(shares, s), bytes
			}
			var total, largest int64
			for _, n := range held {
				total, largest = total+n, max(largest, n)
			}
			if total-largest > 4*mib || use == memory.Body && held[s] > 0 && total > 4*mib {
				r.Fatalf("%d bytes are held", total)
			}
		}
		for _, s := range shares {
			s.Free()
		}
		all := b.Share(memory.Body)
		if err := all.Grow(now, b.Largest()); err != nil {
			r.Fatalf("something was not given back: %v", err)
		}
	})
}

// TestReadAll: a body of known length has one buffer, another has buffers of doubled size; all of them are counted.
func TestReadAll(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 300_000)
	for name, c := range map[string]struct {
		declared, limit int64
		length, holds   int
	}{
		"announced":            {300_000, 1 << 20, 300_000, 300_001},
		"not announced":        {-1, 1 << 20, 300_000, 512 << 10},
		"exactly the limit":    {-1, 300_000, 300_000, 300_001},
		"beyond the limit":     {-1, 299_999, 300_000, 300_000},
		"far beyond the limit": {-1, 10_000, 10_001, 10_001},
	} {
		b := newBudget(t, mib)
		share := b.Share(memory.Answer)
		got, err := share.ReadAll(t.Context(), iotest.HalfReader(strings.NewReader(text)), nil, c.declared, c.limit)
		if err != nil || string(got) != text[:c.length] || cap(got) != c.holds {
			t.Errorf("%s: got %d bytes in %d, %v", name, len(got), cap(got), err)
		}
		rest := b.Share(memory.Body)
		if free := b.Largest() - int64(c.holds); free < 0 || rest.Grow(t.Context(), min(free, b.Largest())) != nil {
			t.Errorf("%s: more is held than what was read", name)
		}
	}
	broken := errors.New("broken")
	var none *memory.Budget // has room for everything
	share := none.Share(memory.Body)
	got, err := share.ReadAll(t.Context(),
		io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(broken)), nil, 10, 20)
	if string(got) != "ab" || !errors.Is(err, broken) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ budget, limit, want int64 }{{0, 0, 256 * mib}, {0, 100 * mib, 50 * mib},
		{7 * mib, 100 * mib, 7 * mib}} {
		if got := (memory.Config{Budget: c.budget}).Bytes(c.limit); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
	if err := (memory.Config{Budget: 1000}).Validate(); err == nil || !strings.Contains(err.Error(), "use at least") {
		t.Errorf("got %v", err)
	}
}
