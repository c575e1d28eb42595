package memory_test

import (
	"context"
	"io"
	"testing"

	"pgregory.net/rapid"

	"github.com/spillway-dev/spillway/internal/memory"
)

// zeros is a reader without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestEveryBodyUpToTheLargestFits: a body that is alone in the pod is read without a wait, with a declared length and
// without one, and what it held is given back.
func TestEveryBodyUpToTheLargestFits(t *testing.T) {
	t.Parallel()
	now, cancel := context.WithCancel(t.Context())
	cancel() // what does not fit at once is refused
	rapid.Check(t, func(r *rapid.T) {
		b := newBudget(t, rapid.Int64Range(mib, 9*mib).Draw(r, "budget"))
		limit := b.Largest()
		if rapid.Bool().Draw(r, "a lower limit") {
			limit = rapid.Int64Range(1, limit).Draw(r, "limit")
		}
		length := limit
		if rapid.Bool().Draw(r, "below the limit") {
			length = rapid.Int64Range(0, limit).Draw(r, "length")
		}
		declared := rapid.SampledFrom([]int64{-1, length}).Draw(r, "declared")
		k := b.Block(memory.Body)
		body, err := k.ReadAll(now, io.LimitReader(zeros{}, length), declared, limit)
		if err != nil || int64(len(body)) != length {
			r.Fatalf("%d bytes of %d, %v", len(body), length, err)
		}
		k.Release()
		all := b.Share(memory.Body)
		if err := all.Grow(now, b.Largest()); err != nil {
			r.Fatalf("something was not given back: %v", err)
		}
	})
}

// TestAGrowingBodyLeavesTheBudgetToAnswers: while it is copied a body uses what answers have left, and never more than
// that. Afterwards bodies have three quarters again.
func TestAGrowingBodyLeavesTheBudgetToAnswers(t *testing.T) {
	t.Parallel()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	read := func(b *memory.Budget) error {
		k := b.Block(memory.Body)
		defer k.Release()
		_, err := k.ReadAll(now, io.LimitReader(zeros{}, 3*mib), -1, 3*mib)
		return err
	}
	b := newBudget(t, 4*mib)
	answer := b.Share(memory.Answer)
	grow(t, &answer, mib)
	if err := read(b); err == nil {
		t.Error("a body was copied in the room of an answer")
	}
	answer.Free()
	if err := read(b); err != nil {
		t.Error(err)
	}
}

// TestWhatGrowsLeavesTheRestOfItsShare: a share that holds an answer gets its decoded bytes too.
func TestWhatGrowsLeavesTheRestOfItsShare(t *testing.T) {
	t.Parallel()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	b := newBudget(t, 4*mib)
	share, other := b.Share(memory.Answer), b.Share(memory.Answer)
	grow(t, &share, 3*mib)
	if _, err := share.ReadAll(now, io.LimitReader(zeros{}, mib/2), nil, -1, mib); err != nil {
		t.Fatal(err)
	}
	if other.Grow(now, mib) == nil {
		t.Error("the answer no longer counts")
	}
	share.Free()
	if err := other.Grow(now, 4*mib); err != nil {
		t.Errorf("something was not given back: %v", err)
	}
}
