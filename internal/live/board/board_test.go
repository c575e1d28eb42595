package board_test

import (
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/live/board"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

func client(t *testing.T, addr string) *redisx.Client {
	t.Helper()
	cfg := redisx.Config{URL: "redis://" + addr, Budget: 10 * time.Second, Pool: 4}
	rdb, err := redisx.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// exchange leaves figures and returns those of the others, in order.
func exchange(t *testing.T, b *board.Board, figures string, want bool) []string {
	t.Helper()
	left, _, err := b.Exchange(t.Context(), []byte(figures), want)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]string, len(left))
	for i, one := range left {
		all[i] = string(one)
	}
	slices.Sort(all)
	return all
}

func TestPodsReadEachOther(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]string{"embedded": miniredis.RunT(t).Addr(), "real": redistest.Start(t).Addr()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := client(t, addr)
			a, b, other := board.New(rdb, "llm", "a"), board.New(rdb, "llm", "b"), board.New(rdb, "another", "a")
			if wanted, err := b.Wanted(t.Context()); wanted || err != nil {
				t.Errorf("figures are wanted before a page asks: %v %v", wanted, err)
			}
			exchange(t, other, "of another service", true)
			if got := exchange(t, b, "b1", false); len(got) != 0 {
				t.Errorf("a pod that asks for nothing got %q", got)
			}
			if got := exchange(t, a, "a1", true); !slices.Equal(got, []string{"b1"}) {
				t.Errorf("got %q", got)
			}
			if wanted, err := b.Wanted(t.Context()); !wanted || err != nil {
				t.Errorf("figures are not wanted after a page has asked: %v", err)
			}
			exchange(t, b, "b2", false)
			if got := exchange(t, a, "a2", true); !slices.Equal(got, []string{"b2"}) {
				t.Errorf("a pod's new figures do not replace its old ones: %q", got)
			}
		})
	}
}

func TestWhatIsLeftExpires(t *testing.T) {
	t.Parallel()
	embedded := miniredis.RunT(t)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	embedded.SetTime(now)
	rdb := client(t, embedded.Addr())
	a := board.New(rdb, "llm", "a")
	exchange(t, board.New(rdb, "llm", "b"), "of a pod that dies", false)
	embedded.SetTime(now.Add(4 * time.Second))
	embedded.FastForward(4 * time.Second)
	if got := exchange(t, a, "a", true); len(got) != 1 {
		t.Errorf("after 4 seconds there is %q", got)
	}
	embedded.SetTime(now.Add(6 * time.Second))
	embedded.FastForward(2 * time.Second)
	if got := exchange(t, a, "a", true); len(got) != 0 {
		t.Errorf("after 6 seconds there is %q", got)
	}
	embedded.FastForward(10 * time.Second)
	if keys := embedded.Keys(); slices.Contains(keys, "llm:{llm:live}:wanted") ||
		slices.Contains(keys, "llm:{llm:live}:pods") {
		t.Errorf("these keys stay: %q", keys)
	}
}

func TestManyPodsAreBounded(t *testing.T) {
	t.Parallel()
	rdb := client(t, redistest.Start(t).Addr())
	for n := range 210 {
		exchange(t, board.New(rdb, "llm", strconv.Itoa(n)), "figures", false)
	}
	a := board.New(rdb, "llm", "a")
	for _, own := range []string{"", "figures"} { // before and after it has left figures itself
		others, pods, err := a.Exchange(t.Context(), []byte(own), true)
		if want := 210 + min(1, len(own)); len(others) != 200 || pods != want || err != nil {
			t.Errorf("%d of %d pods were read, %v; want 200, which is the most, of %d", len(others), pods, err, want)
		}
	}
}
