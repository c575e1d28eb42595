package chain_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// way notes which vendor was asked for which model.
type way struct {
	mu    sync.Mutex
	asked []string
}

// at is a vendor that answers with a status and is noted.
func (w *way) at(name string, status int) llmtest.RoundTrip {
	return func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_, model, _ := bytes.Cut(body, []byte(`"model":"`))
		model, _, _ = bytes.Cut(model, []byte(`"`))
		w.mu.Lock()
		w.asked = append(w.asked, fmt.Sprintf("%s for %s", name, model))
		w.mu.Unlock()
		return answers(status)(r)
	}
}

func (w *way) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

// threeLanes have the way default, second, third.
func threeLanes(third llmtest.RoundTrip, breaker int) func(*chain.Config) {
	return func(c *chain.Config) {
		c.Retry.Max, c.Breaker.Failures, c.Breaker.Open = 0, breaker, time.Hour
		last := c.Inherit("third", "")
		last.Vendor.Wrap = func(http.RoundTripper) http.RoundTripper { return third }
		last.Quota.Requests, last.Breaker = 100_000, c.Breaker
		c.Further[0].Breaker, c.Further[0].Fallback = c.Breaker, "third"
		c.Lanes, c.Further = append(c.Lanes, "third"), append(c.Further, last)
		for lane, rules := range map[int]string{0: "m:two", 1: "two:wrong,m:three"} {
			if err := c.Further[lane].Model.Decode(rules); err != nil {
				panic(err)
			}
		}
	}
}

// TestEachLaneOnTheWayIsTriedOnce, and asked for what it calls the model that the client wants.
func TestEachLaneOnTheWayIsTriedOnce(t *testing.T) {
	t.Parallel()
	for status, answered := range map[int]string{http.StatusOK: "third", http.StatusInternalServerError: "default"} {
		var w way
		l := newLanes(t, w.at("default", 500), w.at("second", 503), threeLanes(w.at("third", status), 1000))
		lane, err := l.ask(t.Context())
		if lane != answered || (err == nil) != (status == http.StatusOK) {
			t.Errorf("the third answers %d: from lane %s, %v", status, lane, err)
		}
		want := []string{"default for m", "second for two", "third for three"}
		if got := w.take(); !slices.Equal(got, want) {
			t.Errorf("the third answers %d: asked %q, want %q", status, got, want)
		}
	}
}

// TestALaneThatIsDownIsLeftOut: a call goes on to the lane behind it.
func TestALaneThatIsDownIsLeftOut(t *testing.T) {
	t.Parallel()
	var w way
	l := newLanes(t, w.at("default", 500), w.at("second", 500), threeLanes(w.at("third", 200), 1))
	await.True(t, "the breakers of both lanes are open", func() bool {
		_, err := l.ask(t.Context())
		llmtest.OK(t, err)
		return len(w.take()) == 1
	})
	if lane, err := l.ask(t.Context()); lane != "third" || err != nil {
		t.Errorf("from lane %s, %v", lane, err)
	}
	if got := w.take(); !slices.Equal(got, []string{"third for three"}) {
		t.Errorf("asked %q", got)
	}
}
