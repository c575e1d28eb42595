package live

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// inside is a simulator that is reached without a socket, and a service that answers everything.
type inside struct{ sim *vendorsim.Sim }

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/llm" {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	}
	w := httptest.NewRecorder()
	i.sim.ServeHTTP(w, r)
	return w.Result(), nil
}

// stage is a story with what it is played on. Its snapshots are made up.
type stage struct {
	t *testing.T
	*play
	sim  *vendorsim.Sim
	view *view
	now  Snapshot
}

func newStage(t *testing.T) *stage {
	t.Helper()
	sim, err := vendorsim.New(vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: inside{sim}}
	p := &play{vendor: &vendor{urls: []string{"http://vendor"}, client: client}, redis: &frozen{freeze: func(bool) {}}}
	p.load = newLoad(Playground{Service: func() string { return "http://service" }, Keys: []string{"k"}})
	p.load.client = client
	s := &stage{t: t, play: p, sim: sim, view: newView()}
	p.story = newStory(s.view, p)
	s.shows(func(*Snapshot) {})
	return s
}

// shows makes the next snapshot out of the last one, and lets the story take notice.
func (s *stage) shows(change func(*Snapshot)) {
	if s.now.Breaker.State == "" {
		s.now.Breaker.State = "closed"
	}
	change(&s.now)
	s.view.put(s.now)
	synctest.Wait()
}

// expect compares the scene that was told last, the fault of the vendor, the load, and whether the story goes on.
func (s *stage) expect(title, fault string, load int, running bool) {
	s.t.Helper()
	is := s.story.state()
	last := ""
	if len(is.Told) > 0 {
		last = is.Told[len(is.Told)-1].Title
	}
	rate, _ := s.load.state(time.Now())
	if last != title || s.vendor.fault() != fault || (len(s.sim.Faults()) > 0) != (fault != "") || rate != load ||
		is.Running != running {
		s.t.Errorf("told %q, fault %q (%d at the vendor), load %d, running %t; want %q, %q, %d, %t", last,
			s.vendor.fault(), len(s.sim.Faults()), rate, is.Running, title, fault, load, running)
	}
}

func (s *stage) press(path, body string) {
	s.t.Helper()
	do := map[string]func(*play, *http.Request) error{
		"story": (*play).serveStory, "fault": alone((*play).serveFault), "load": alone((*play).serveLoad),
	}[path]
	if err := do(s.play, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

func answer(n float64) func(*Snapshot) {
	return func(s *Snapshot) { s.Requests.Outcomes = []Named{{outcomeOK, Rate{Total: n}}} }
}

// TestTheStoryOfABreaker plays it to its end, on a machine on which the load stops by itself meanwhile.
func TestTheStoryOfABreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.press("fault", `{"fault":"slow"}`) // which the story ends
		s.press("story", `{"run":true}`)
		s.expect("Requests flow", "", storyLoad, true)
		s.shows(answer(9))
		s.expect("Requests flow", "", storyLoad, true)

		// Ten answers: the vendor goes down, and nothing more happens until the breaker is open.
		s.shows(answer(10))
		s.expect("The vendor goes down", "down", storyLoad, true)
		time.Sleep(loadTime + time.Second)
		s.shows(answer(12))
		s.expect("The vendor goes down", "down", storyLoad, true)
		s.shows(func(s *Snapshot) { s.Breaker.State, s.Breaker.Opened = "open", 1 })
		s.expect("The breaker opens", "down", storyLoad, true)

		// The probe fails: the vendor is well, and the breaker does not know it before its next probe.
		s.shows(func(s *Snapshot) { s.Breaker.State = "half-open" })
		s.expect("The breaker opens", "down", storyLoad, true)
		s.shows(func(s *Snapshot) { s.Breaker.State, s.Breaker.Probes = "open", []Named{{"lost", Rate{Total: 1}}} })
		s.expect("The probe fails", "", storyLoad, true)
		s.shows(func(s *Snapshot) { s.Breaker.State = "half-open" })
		s.expect("The probe fails", "", storyLoad, true)
		s.shows(func(s *Snapshot) { s.Breaker.State = "closed" })
		s.expect("The breaker closes", "", storyLoad, false)
		if told := s.story.state().Told; len(told) != len(scenes)-1 { // the first one is of a breaker that is open
			t.Errorf("%d scenes were told", len(told))
		}
		s.press("load", `{"rate":0}`) // ends no story: none runs
		s.expect("The breaker closes", "", 0, false)
	})
}

// TestTheStoryOfAnOpenBreaker begins with its closing, so that no scene says what is not so.
func TestTheStoryOfAnOpenBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.press("fault", `{"fault":"down"}`)
		s.shows(func(s *Snapshot) { s.Breaker.State = "open" })
		s.press("story", `{"run":true}`)
		s.expect("First, the breaker closes", "", storyLoad, true)
		s.shows(func(s *Snapshot) { s.Breaker.State = "closed" })
		s.expect("Requests flow", "", storyLoad, true)
		s.close()
	})
}

// TestTheStoryEnds at once with any other button, with its own, and when it is stuck.
func TestTheStoryEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for range 2 { // and begins anew
			s.press("story", `{"run":true}`)
			s.shows(answer(s.answers() + 10))
			s.expect("The vendor goes down", "down", storyLoad, true)
			s.press("fault", `{"fault":"slow"}`)
			s.expect("Stopped", "slow", storyLoad, false)
		}
		s.press("story", `{"run":true}`)
		s.shows(answer(s.answers() + 10))
		s.press("story", `{"run":false}`)
		s.expect("Stopped", "", 0, false)

		s.press("story", `{"run":true}`)
		time.Sleep(storyTime + time.Second)
		synctest.Wait()
		s.expect("Stopped", "", 0, false) // the load has ended by itself

		// Stuck, or with its pod, it leaves the vendor well; when somebody else has the vendor, as they want it.
		s.press("story", `{"run":true}`)
		s.shows(answer(s.answers() + 10))
		time.Sleep(storyTime + time.Second)
		synctest.Wait()
		s.expect("Stopped", "", 0, false)
		s.press("story", `{"run":true}`)
		s.shows(answer(s.answers() + 10))
		if err := s.vendor.set(t.Context(), "silent"); err != nil {
			t.Fatal(err)
		}
		s.shows(func(*Snapshot) {})
		s.expect("Stopped", "silent", storyLoad, false)
		s.press("story", `{"run":true}`)
		time.Sleep(storyTime + time.Second)
		synctest.Wait()
		if told := s.story.state().Told; !strings.Contains(told[len(told)-1].Says, "too long") {
			t.Errorf("told %+v", told)
		}
		s.press("story", `{"run":true}`)
		s.shows(answer(s.answers() + 10))
		s.expect("The vendor goes down", "down", storyLoad, true)
		s.close()
		s.expect("Stopped", "", 0, false)
		s.press("story", `{"run":true}`)
		s.expect("Stopped", "", 0, false) // the pod stops
	})
}

func (s *stage) answers() float64 { return answered(s.now) }
