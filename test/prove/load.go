package prove

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/openloop"
)

// Clients are an open loop: their requests come at a fixed rate, whether or not answers do.
type Clients struct {
	Label     string // in the timeline
	Rate      float64
	User      func(i int) string // the i-th request's user; nil means "enterprise-0" and so on
	Model     string             // empty means "m"
	Stream    bool               // with answers as server-sent events
	MaxTokens int                // 0 means 16
}

// Come begins to send the clients' requests. The returned func stops this and waits for the last answer.
func (c *Cluster) Come(who Clients) (stop func()) {
	if who.User == nil {
		who.User = func(i int) string { return user("enterprise", i) }
	}
	ctx, cancel := context.WithCancel(c.tb.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		openloop.Run(ctx, who.Rate, 0, func(i int) { c.Timeline.add(c.ask(context.WithoutCancel(ctx), who, i)) })
	})
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); wg.Wait() }) }
	c.tb.Cleanup(stop)
	return stop
}

// Offer sends the clients' requests for the time d, and returns after the last answer.
func (c *Cluster) Offer(d time.Duration, who ...Clients) {
	stops := make([]func(), len(who))
	for i, w := range who {
		stops[i] = c.Come(w)
	}
	c.hold(d)
	for _, stop := range stops {
		stop()
	}
}

// hold lets the load go on for the time d. d is the length of a measurement, not a wait for an event.
func (c *Cluster) hold(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.tb.Context().Done():
	}
}

// ask sends one request to the next ready pod, and reads the answer to its end.
func (c *Cluster) ask(ctx context.Context, who Clients, i int) (got Result) {
	got = Result{At: time.Now(), Label: who.Label}
	defer func() { got.Took = time.Since(got.At) }()
	pod := c.balancer.pick()
	if pod == nil {
		got.Err = errors.New("no pod is ready")
		return got
	}
	tokens := who.MaxTokens
	if tokens == 0 {
		tokens = 16
	}
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}],"max_tokens":%d,"stream":%t}`,
		cmp.Or(who.Model, "m"), tokens, who.Stream)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, pod.URL+"/llm", strings.NewReader(body))
	if err != nil {
		got.Err = err
		return got
	}
	req.GetBody = nil // net/http must not repeat the request: failures must be seen
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+who.User(i))
	res, err := c.client.Do(req)
	if err != nil {
		got.Err = err
		return got
	}
	defer res.Body.Close()
	got.Status, got.Lane = res.StatusCode, res.Header.Get("X-LLM-Lane")
	switch {
	case res.StatusCode != http.StatusOK:
		var problem struct{ Code string }
		got.Err = json.NewDecoder(res.Body).Decode(&problem)
		got.Code = problem.Code
	case who.Stream:
		got.Err = readStream(res.Body)
	default:
		_, got.Err = io.Copy(io.Discard, res.Body)
	}
	return got
}

// readStream reads server-sent events to the end of the stream. A stream that does not end with [DONE] was cut.
func readStream(r io.Reader) error {
	last := ""
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if last != "data: [DONE]" {
		return fmt.Errorf("the stream was cut: it ends with %q", last[:min(80, len(last))])
	}
	return nil
}
