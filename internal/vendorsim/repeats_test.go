package vendorsim

import (
	"maps"
	"strconv"
	"testing"
)

func TestRepeats(t *testing.T) {
	t.Parallel()
	var r repeats
	for _, id := range []string{"a", "b", "a", "c", "a", "b"} {
		r.count(id)
	}
	if want := map[int]int{1: 1, 2: 1, 3: 1}; !maps.Equal(r.of, want) || r.distinct != 3 || r.most != 3 {
		t.Errorf("got %v, %d different, at most %d", r.of, r.distinct, r.most)
	}
	for i := range remembered - 10 { // an ID is known as long as this
		r.count(strconv.Itoa(i))
	}
	r.count("a")
	if r.most != 4 || r.distinct != remembered-10+3 {
		t.Errorf("after many others: %d different, at most %d", r.distinct, r.most)
	}
	for i := range 5 * remembered {
		r.count("x" + strconv.Itoa(i))
	}
	if n := len(r.young) + len(r.old); n > 2*remembered {
		t.Errorf("%d IDs are remembered", n)
	}
}
