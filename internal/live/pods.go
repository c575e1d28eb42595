package live

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Board is where pods leave their figures for each other.
type Board interface {
	// Wanted reports whether a page of any pod wants the figures of all pods.
	Wanted(ctx context.Context) (bool, error)
	// Exchange leaves the figures of this pod for a few seconds; none when they are empty. With want it asks the other
	// pods for theirs, and returns what they have left, and how many pods have left something, this one too. It may
	// return the figures of fewer.
	Exchange(ctx context.Context, figures []byte, want bool) (others [][]byte, pods int, err error)
}

// Bounds of what pods leave.
const (
	askEvery   = 5               // seconds between two looks whether figures are wanted
	maxFigures = 64 << 10        // bytes that a pod leaves at most: five thousand, and a thousand or two for each lane
	watchTime  = 5 * time.Second // that a page shows all pods after it has asked
)

// cluster adds up the pods, while a page asks for it.
type cluster struct {
	board  Board
	view   *view
	wanted bool // by a page of any pod, as of the last look

	mu    sync.Mutex
	since time.Time // when the pages of this pod have begun to ask for all pods
	until time.Time // when the pages of this pod have stopped to ask for all pods
}

// run exchanges figures once a second, after each look at this pod, until stop.
func (c *cluster) run(own *view, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for n := 0; ; n++ {
		_, changed := own.now()
		select {
		case <-changed:
			c.turn(ctx, n, own.snapshot())
		case <-stop:
			return
		}
	}
}

// turn costs Redis nothing but one small command every askEvery seconds while no page shows all pods.
func (c *cluster) turn(ctx context.Context, n int, own Snapshot) {
	watched := c.watched(time.Now())
	if !watched && n%askEvery == 0 {
		wanted, err := c.board.Wanted(ctx)
		c.wanted = wanted && err == nil
	}
	if !watched && !c.wanted {
		return
	}
	figures := figuresOf(own)
	others, pods, err := c.board.Exchange(ctx, figures, watched)
	if !watched {
		return
	}
	switch {
	case err != nil:
		own.Alone = "Redis is away, so the figures of the other pods cannot be read. This is this pod alone."
	case figures == nil: // and those of the others, which have the same lanes, are most likely missing too
		own.Alone = "With so many lanes the figures are more than pods leave for each other. This is this pod alone."
	default:
		own = together(own, others, pods)
		if len(own.Pods) < 2 && c.young(time.Now()) {
			own.Alone = comeSoon
		}
	}
	c.view.put(own)
}

// figuresOf is what a pod leaves: its snapshot without what is its own; nil when that is too much.
func figuresOf(s Snapshot) []byte {
	s.Refused, s.Play = nil, nil
	figures := encode(s)
	if len(figures) > maxFigures {
		return nil
	}
	return figures
}

// together adds up this pod and what the others have left. What cannot be read is missing: it is another version's, or
// there are too many. Figures whose sum is no number are no pod's of ours.
func together(own Snapshot, others [][]byte, pods int) Snapshot {
	all := []Snapshot{own}
	for _, figures := range others {
		var s Snapshot
		if json.Unmarshal(figures, &s) == nil {
			all = append(all, s.whole())
		}
	}
	s := addUp(all)
	if _, err := json.Marshal(s); err != nil {
		own.Alone = "The figures of the other pods cannot be added up. This is this pod alone."
		return own
	}
	s.Missing = max(0, pods-len(all))
	s.At, s.Pod, s.Shares, s.Refused, s.Play = own.At, own.Pod, own.Shares, own.Refused, own.Play
	return s
}

// whole has lists where another version may have left none. The page reads lists.
func (s Snapshot) whole() Snapshot {
	for i := range s.Layers {
		s.Layers[i].Reasons = plusNamed(nil, s.Layers[i].Reasons)
	}
	for i := range s.Lanes {
		s.Lanes[i].Vendor.Results = plusNamed(nil, s.Lanes[i].Vendor.Results)
	}
	if s.Jobs != nil && s.Jobs.Queued == nil {
		s.Jobs.Queued = []Amount{}
	}
	return s
}

// ask says that a page shows all pods, for watchTime. The first one gets this pod's figures at once.
func (c *cluster) ask(own *view, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.After(c.until) {
		s := own.snapshot()
		s.Alone = comeSoon
		c.view.begin(s)
		c.since = now
	}
	c.until = now.Add(watchTime)
}

// comeSoon is shown until the other pods have had the time to notice that their figures are wanted.
const comeSoon = "The figures of the other pods come in a moment. This is this pod alone."

func (c *cluster) young(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.since) < (askEvery+1)*interval
}

func (c *cluster) watched(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.until)
}
