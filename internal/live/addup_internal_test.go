package live

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// twoPods are snapshots of two pods, as they are after they have been left and read.
func twoPods(t *testing.T) (a, b Snapshot) {
	t.Helper()
	one := func(name, state, breaker string, n float64) Snapshot {
		lasted := buckets{All: n, Under: []bucket{{1, 0}, {2, n}}}.latency()
		return Snapshot{
			Pod: name, State: state, Requests: Requests{Rate{10 * n, n}, n, []Named{{"ok", Rate{10 * n, n}}}},
			Layers: []Layer{{"shed", n, Rate{n, n}, []Named{{"shed", Rate{n, n}}}}, {"vendor", n, Rate{}, []Named{}}},
			Slots:  Slots{10, n, n}, Quota: Quota{&Use{n, 10}, &Use{n, 20}, n}, Breaker: Breaker{State: breaker},
			Vendor: Vendor{Rate{n, n}, []Named{}, lasted, lasted}, Redis: Redis{Shared: true},
			Jobs:  &Jobs{[]Amount{{"low", 7}}, n},
			Lanes: []Lane{{"default", Quota{&Use{n, 10}, nil, n}, breaker, n, Vendor{Rate{n, n}, []Named{}, lasted, lasted}}},
		}
	}
	for _, s := range []struct {
		from Snapshot
		to   *Snapshot
	}{{one("a", "ready", "closed", 1), &a}, {one("b", "draining", "open", 3), &b}} {
		if err := json.Unmarshal(figuresOf(s.from), s.to); err != nil {
			t.Fatal(err)
		}
	}
	b.Layers = append(b.Layers, Layer{"client", 0, Rate{2, 2}, []Named{}})
	return a, b
}

func TestPodsAddUp(t *testing.T) {
	t.Parallel()
	a, b := twoPods(t)
	s := addUp([]Snapshot{b, a})
	for what, pair := range map[string][2]any{
		"state":    {s.State, "1 of 2 ready"},
		"requests": {s.Requests, Requests{Rate{40, 4}, 4, []Named{{"ok", Rate{40, 4}}}}},
		"slots":    {s.Slots, Slots{20, 4, 4}},
		"quota":    {s.Quota, Quota{&Use{4, 10}, nil, 4}},
		"breaker":  {s.Breaker.State, "open"},
		"latency":  {*s.Vendor.Latency.P50, 1.5},
		"jobs":     {*s.Jobs, Jobs{[]Amount{{"low", 7}}, 4}},
		"lane":     {s.Lanes[0].Quota, Quota{&Use{4, 10}, nil, 4}},
		"probe":    {s.Lanes[0].ProbeInSeconds, 1.0},
		"pods":     {[]string{s.Pods[0].Name, s.Pods[1].Name}, []string{"a", "b"}},
		"layers": {[]string{s.Layers[0].Name, s.Layers[1].Name, s.Layers[2].Name},
			[]string{"shed", "client", "vendor"}},
		"refused": {s.Layers[0].Refused, Rate{4, 4}},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: got %+v, want %+v", what, pair[0], pair[1])
		}
	}
}

// TestOnePodAddsUpToItself is about what a page reads: the same lists, none of them null.
func TestOnePodAddsUpToItself(t *testing.T) {
	t.Parallel()
	f, err := gather(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	one := derive(reading{figures: f}, reading{figures: f}, reading{figures: f})
	one.Pod, one.Refused = "a", []Refusal{}
	two := together(one, nil, 1)
	two.Pods, one.State = nil, two.State
	if got, want := string(encode(two)), string(encode(one)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFiguresAreBoundedAndNoUsers(t *testing.T) {
	t.Parallel()
	a, _ := twoPods(t)
	a.Refused = []Refusal{{RequestID: "one request"}}
	var left Snapshot
	if err := json.Unmarshal(figuresOf(a), &left); err != nil || len(left.Refused) > 0 {
		t.Errorf("a pod leaves single requests: %v %v", left.Refused, err)
	}
	for range 1000 {
		a.Lanes = append(a.Lanes, a.Lanes[0])
	}
	if figures := figuresOf(a); len(figures) > maxFigures {
		t.Errorf("a pod leaves %d bytes", len(figures))
	}
}

// keeps is a board on which only this pod leaves something.
type keeps struct{ nowhere }

func (keeps) Exchange(_ context.Context, figures []byte, _ bool) ([][]byte, int, error) {
	return nil, min(1, len(figures)), nil
}

// TestPodsThatCannotBeReadAreMissing, and not left out without a word; what they leave does no harm.
func TestPodsThatCannotBeReadAreMissing(t *testing.T) {
	t.Parallel()
	a, b := twoPods(t)
	s := together(a, [][]byte{figuresOf(b), []byte("of another version"), []byte(`{"slots":"fifty"}`)}, 303)
	if len(s.Pods) != 2 || s.Missing != 301 || s.Requests.PerSecond != 4 {
		t.Errorf("%d pods, %d missing, %v requests a second", len(s.Pods), s.Missing, s.Requests.PerSecond)
	}
	bare := `{"pod":"c","layers":[{"name":"shed"}],"lanes":[{"name":"c"}],"jobs":{}}`
	s = together(a, [][]byte{[]byte(bare)}, 2)
	if text := string(encode(s)); len(s.Pods) != 2 || strings.Contains(text, `"reasons":null`) ||
		strings.Contains(text, `"results":null`) || strings.Contains(text, `"queued":null`) {
		t.Errorf("a page cannot read %s", text)
	}
	huge := `{"pod":"c","pressure":0,"requests":{"total":1.7e308}}`
	s = together(a, [][]byte{[]byte(huge), []byte(huge)}, 3)
	if s.Alone == "" || s.Pod != "a" || len(encode(s)) == 0 {
		t.Errorf("figures that have no sum: %+v", s)
	}
}

// TestThePageNeverShowsNoPod: figures that are too many to be left, or that cannot be read, leave the page with those
// of its own pod. The page reads lists, and would fail on null.
func TestThePageNeverShowsNoPod(t *testing.T) {
	t.Parallel()
	few, _ := twoPods(t)
	many := few
	for range 1000 {
		many.Lanes = append(many.Lanes, few.Lanes[0])
	}
	for name, c := range map[string]struct {
		own   Snapshot
		board Board
		alone bool
	}{
		"a pod":                   {few, keeps{}, false},
		"a pod with many lanes":   {many, keeps{}, true},
		"a board without figures": {few, nowhere{}, false},
	} {
		all := &cluster{board: c.board, view: newView(), until: time.Now().Add(time.Hour)}
		all.turn(t.Context(), 0, c.own)
		got := all.view.snapshot()
		if len(got.Layers) != len(c.own.Layers) || got.Requests.Outcomes == nil || (got.Alone != "") != c.alone {
			t.Errorf("%s: %d layers, alone: %q", name, len(got.Layers), got.Alone)
		}
	}
}
