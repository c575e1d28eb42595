package prove

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var oneUserMisuses = scenario{
	file: "misuse", title: "One user does everything wrong", run: runMisuse, short: true,
	claim: "A single user harms the service in one way after the other: calls that time out, requests that the " +
		"vendor refuses, hang-ups, large bodies, large headers, many answers to one request, jobs until their " +
		"limit, long polls, long streams, streams that hang. The other users lose under 2 % of their requests.",
}

func runMisuse(s *Stage) {
	const (
		misusers = 10 // of each tier: each misuse comes from another user, whose limit is not used up yet
		shortest = 2  // misuses of a short run: the last ones of the list, which are the most harmful
	)
	pods, rate, long := pick(s, 3, 2), pick(s, 60.0, 30.0), pick(s, 6*time.Second, 4*time.Second)
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond),
		CompletionTokens: 300, TokensPerSecond: 20},
		"LLM_CALL_TIMEOUT=2s", "LLM_QUOTA_TOKENS=0", "LLM_QUOTA_REQUESTS=1000000",
		"LLM_TIER_RATES=free:600,pro:601,enterprise:602")
	for _, fault := range []vendorsim.Fault{{Kind: "hang", Model: slowModel},
		{Kind: "status", Status: http.StatusBadRequest, Model: refusedModel}} {
		if err := c.Vendor.AddFault(fault); err != nil {
			s.Fatal(err)
		}
	}
	c.Start(pods)
	began := time.Now()
	others := Clients{Label: "others", Rate: rate, User: func(i int) string {
		return user([]string{"free", "pro", "enterprise"}[i%3], misusers+i/3%(usersPerTier-misusers))
	}}
	all := misuses()
	for i, wrong := range all {
		if !s.Full && i < len(all)-shortest {
			continue
		}
		from := time.Now()
		s.chart.Mark(from.Sub(began), wrong.name)
		stop := c.misuse(wrong, user(wrong.tier, i))
		c.Offer(long, others)
		sent := stop()
		rs := c.Timeline.Results(from, time.Time{})
		lost := 1 - ratio(len(rs.Served()), len(rs))
		s.Check(lost < 0.02, "requests the others lose to "+wrong.name, "under 2 %", percent(lost))
		s.Note("%s, by a user of the tier %s: %d requests; the others: %v.", wrong.name, wrong.tier, sent, rs.By())
	}
	s.chart.Panels = []Panel{Outcomes(c.Timeline.All(), began)}
}

// misuse has the clients of one user misuse the service as often as they can. The returned func stops them and returns
// the number of requests.
func (c *Cluster) misuse(wrong misuse, who string) (stop func() int) {
	ctx, cancel := context.WithCancel(c.tb.Context())
	if wrong.polls {
		wrong.path = c.endlessJob(ctx, who)
	}
	counts := make([]int, wrong.clients)
	var all sync.WaitGroup
	for i := range counts {
		all.Go(func() {
			for ; ctx.Err() == nil; counts[i]++ {
				c.misuseOnce(ctx, wrong, who)
			}
		})
	}
	return func() (sum int) {
		cancel()
		all.Wait()
		for _, n := range counts {
			sum += n
		}
		return sum
	}
}

// endlessJob submits a job that does not end, and returns its path.
func (c *Cluster) endlessJob(ctx context.Context, who string) (path string) {
	job := misuse{method: http.MethodPost, path: "/llm", body: chat(slowModel, ""),
		header: http.Header{"Prefer": {"respond-async"}}}
	c.eventually("a job is accepted", func() bool {
		res := c.send(ctx, job, who)
		if res != nil {
			path = res.Header.Get("Location")
		}
		return path != ""
	})
	return path
}

// misuseOnce makes one request of the misuse. Its result is not measured.
func (c *Cluster) misuseOnce(ctx context.Context, wrong misuse, who string) {
	if wrong.stay > 0 {
		var leave context.CancelFunc
		ctx, leave = context.WithTimeout(ctx, wrong.stay)
		defer leave()
	}
	c.send(ctx, wrong, who)
}

// send sends one request to the next ready pod and reads the answer to its end. It returns nil when there is no
// answer.
func (c *Cluster) send(ctx context.Context, wrong misuse, who string) *http.Response {
	pod := c.balancer.pick()
	if pod == nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, wrong.method, pod.URL+wrong.path, strings.NewReader(wrong.body))
	if err != nil {
		c.tb.Error(err)
		return nil
	}
	maps.Copy(req.Header, wrong.header)
	req.Header.Set("Authorization", "Bearer "+who)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return nil
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}
