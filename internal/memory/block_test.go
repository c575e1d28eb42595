package memory_test

import (
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/memory"
)

// read fills a block with n bytes.
func read(t *testing.T, k *memory.Block, n int) []byte {
	t.Helper()
	body, err := k.ReadAll(t.Context(), strings.NewReader(strings.Repeat("x", n)), int64(n), 32*mib)
	if err != nil || len(body) != n {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	return body
}

// TestBlocksAreUsedAgain: only after the last holder has released them, and for a body of about the same size.
func TestBlocksAreUsedAgain(t *testing.T) {
	t.Parallel()
	b := newBudget(t, 64*mib)
	first := b.Block(memory.Body)
	body := read(t, first, mib)
	if !first.Reused() {
		t.Fatal("a megabyte is not used again")
	}
	first.Hold()
	first.Release()
	second := b.Block(memory.Body)
	if other := read(t, second, mib); &other[0] == &body[0] {
		t.Fatal("the bytes are used again while they are held")
	}
	first.Release()
	third := b.Block(memory.Body)
	if again := read(t, third, mib+1000); &again[0] != &body[0] {
		t.Error("the bytes are not used again")
	}
	second.Release()
	third.Release()
	all := b.Share(memory.Answer)
	grow(t, &all, 64*mib)
	fourth := b.Block(memory.Body)
	all.Free()
	if again := read(t, fourth, mib); &again[0] == &body[0] {
		t.Error("bytes are kept although the budget has been used up")
	}
}

func TestSmallAndLargeBodiesAreLeftToTheCollector(t *testing.T) {
	t.Parallel()
	b := newBudget(t, 64*mib)
	for _, n := range []int{0, 1000, 8 * mib} {
		k := b.Block(memory.Body)
		if read(t, k, n); k.Reused() {
			t.Errorf("%d bytes are used again", n)
		}
		k.Release()
	}
	var none *memory.Budget
	if k := none.Block(memory.Body); len(read(t, k, mib)) == 0 || k.Reused() {
		t.Error("bytes without a budget are used again")
	}
}

// TestDroppedBytesAreNotUsedAgain: something may still read them. Their bytes go back to the budget.
func TestDroppedBytesAreNotUsedAgain(t *testing.T) {
	t.Parallel()
	b := newBudget(t, 64*mib)
	k := b.Block(memory.Body)
	body := read(t, k, mib)
	k.Drop()
	next := b.Block(memory.Body)
	if again := read(t, next, mib); &again[0] == &body[0] {
		t.Error("used again")
	}
	next.Release()
	all := b.Share(memory.Body)
	grow(t, &all, b.Largest())
}

// TestKeptBytesAreBounded: at most an eighth of the budget is kept, however much is released at once.
func TestKeptBytesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBudget(t, 64*mib)
	var blocks []*memory.Block
	was := map[*byte]bool{}
	for range 20 {
		k := b.Block(memory.Body)
		was[&read(t, k, 2*mib-1)[0]] = true
		blocks = append(blocks, k)
	}
	for _, k := range blocks {
		k.Release()
	}
	again := 0
	for range 20 {
		if k := b.Block(memory.Body); was[&read(t, k, 2*mib-1)[0]] {
			again++
		}
	}
	if again != 4 {
		t.Errorf("%d blocks of 2 MiB were kept of 64 MiB, want 4", again)
	}
}
