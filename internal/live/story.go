package live

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Story is what the page tells of a breaker that opens and closes.
type Story struct {
	Running bool   `json:"running"`
	Told    []Told `json:"told"` // the scenes so far, the latest last; those of a story that has ended stay
}

// Told is one scene.
type Told struct {
	Title string    `json:"title"`
	Says  string    `json:"says"`
	At    time.Time `json:"at"`
}

// storyTime is the longest time of a story. It takes a quarter of a minute with --dev.
const storyTime = 3 * time.Minute

// ending is why a story does not come to its end, in the words of its last scene.
type ending string

func (e ending) Error() string { return string(e) }

const (
	stopped  ending = "The vendor is well again, and the load has ended."
	takeOver ending = "Another button was pressed, so this ends here."
	anew     ending = "It begins anew."
	podStops ending = "The pod stops."
	taken    ending = "Somebody else has changed what the vendor does, so this ends here."
	stuck    ending = "This takes too long, so it ends here, and the vendor is well again."
)

// story plays the scenes one after the other, each when the snapshots show that the one before has come about.
type story struct {
	view *view // of this pod
	play *play

	changing sync.Mutex // held while a story begins or ends
	closed   bool       // no other one begins
	running  sync.WaitGroup
	fault    string // that the story which runs has set

	mu   sync.Mutex
	told []Told
	stop context.CancelCauseFunc // of the story that runs; nil while none does
}

func newStory(v *view, p *play) *story { return &story{view: v, play: p} }

// serveStory takes {"run":true}, which begins the story anew, or {"run":false}, which ends it and what it did.
func (p *play) serveStory(r *http.Request) error {
	var want struct {
		Run bool `json:"run"`
	}
	if err := read(r, &want); err != nil {
		return err
	}
	if want.Run {
		return p.story.begin(r.Context())
	}
	p.story.halt(stopped)
	p.load.set(0)
	return p.vendor.set(r.Context(), "")
}

func (t *story) state() Story {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Story{Running: t.stop != nil, Told: append([]Told{}, t.told...)} // never null
}

// begin starts the story from its beginning. It returns an error when there is no simulator to play it with.
func (t *story) begin(ctx context.Context) error {
	if err := t.play.vendor.simulated(ctx); err != nil {
		return err
	}
	t.changing.Lock()
	defer t.changing.Unlock()
	t.haltLocked(anew)
	if t.closed {
		return nil
	}
	own, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	t.mu.Lock()
	t.told, t.stop = nil, stop
	t.mu.Unlock()
	t.running.Go(func() { t.run(own) })
	return nil
}

// halt ends the story that runs, if one does, and says why. When it returns the story does nothing any more.
func (t *story) halt(why ending) {
	t.changing.Lock()
	defer t.changing.Unlock()
	t.haltLocked(why)
}

func (t *story) haltLocked(why ending) {
	t.mu.Lock()
	if t.stop != nil {
		t.stop(why)
	}
	t.mu.Unlock()
	t.running.Wait()
}

// close ends the story for good.
func (t *story) close() {
	t.changing.Lock()
	defer t.changing.Unlock()
	t.closed = true
	t.haltLocked(podStops)
}

// run plays the scenes, and says what ended them when they do not come to their end.
func (t *story) run(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, storyTime, stuck)
	defer cancel()
	var err error
	for _, s := range scenes {
		if s.skip != nil && s.skip(t.view.snapshot()) {
			continue
		}
		t.tell(s.title, s.says)
		if err = t.perform(ctx, s); err != nil {
			break
		}
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		t.leave(err)
		t.tell("Stopped", err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop(nil)
	t.stop = nil
}

// leave makes the vendor well when nobody else will: the story's fault must not outlive a story that is stuck, or a pod
// that stops.
func (t *story) leave(err error) {
	if !errors.Is(err, stuck) && !errors.Is(err, podStops) || t.fault == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = t.play.vendor.set(ctx, "") // the simulator may stop as well
}

// set makes the vendor fail, or well.
func (t *story) set(ctx context.Context, fault string) error {
	t.fault = fault
	return t.play.vendor.set(ctx, fault)
}

// perform does what a scene does, and waits until it has come about. It keeps the load on meanwhile, which would
// otherwise stop by itself on a slow machine.
func (t *story) perform(ctx context.Context, s scene) error {
	before := t.view.snapshot()
	if s.do != nil {
		if err := s.do(ctx, t); err != nil {
			return err
		}
	}
	for s.over != nil {
		_, changed := t.view.now()
		if s.over(before, t.view.snapshot()) {
			break
		}
		if t.play.vendor.fault() != t.fault {
			return taken
		}
		t.play.load.keep(storyLoad)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (t *story) tell(title, says string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = append(t.told, Told{title, says, time.Now()})
}
