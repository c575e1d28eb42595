package prove

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var oneUserMisuses = scenario{
	file: "misuse", title: "One user does everything wrong", run: runMisuse,
	claim: "A single user of the lowest tier does, one after the other, what harms a service: calls that time out, requests the vendor refuses, " +
		"hang-ups, large bodies, large headers, many answers to one request, jobs until their limit. The other users lose under 2 % of their requests.",
}

// misuse is one thing that a user can do wrong.
type misuse struct {
	name   string
	body   string
	header http.Header
	stay   time.Duration // after that the client hangs up; 0: it waits for the answer
}

const (
	slowModel    = "slow"    // at the vendor, its calls are never answered
	refusedModel = "refused" // its calls are answered with 400
)

// misuses are what the user does, in the order of the report.
func misuses() []misuse {
	ask := func(model, more string) string {
		return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}],"max_tokens":16%s}`, model, more)
	}
	return []misuse{
		{name: "calls that time out", body: ask(slowModel, "")},
		{name: "requests that the vendor refuses", body: ask(refusedModel, "")},
		{name: "hang-ups", body: ask(slowModel, ""), stay: 20 * time.Millisecond},
		{name: "bodies of 1 MB", body: ask("m", `,"user":"`+strings.Repeat("x", 1<<20)+`"`)},
		{name: "headers of 64 KB", body: ask("m", ""), header: http.Header{"X-Large": {strings.Repeat("x", 64<<10)}}},
		{name: "128 answers to one request", body: ask("m", `,"n":128`)},
		{name: "jobs until the limit", body: ask(slowModel, ""), header: http.Header{"Prefer": {"respond-async"}}},
	}
}

func runMisuse(s *Stage) {
	const (
		pods, clients = 3, 16 // the clients of the one user
		rate          = 60.0  // of all others
		long          = 6 * time.Second
		misusers      = 10 // of the free users: each misuse is another's, with a limit that is not used up yet
	)
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond)}, "LLM_CALL_TIMEOUT=2s", "LLM_QUOTA_TOKENS=0", "LLM_QUOTA_REQUESTS=1000000",
		"LLM_TIER_RATES=free:600,pro:601,enterprise:602")
	for _, fault := range []vendorsim.Fault{{Kind: "hang", Model: slowModel}, {Kind: "status", Status: http.StatusBadRequest, Model: refusedModel}} {
		if err := c.Vendor.AddFault(fault); err != nil {
			s.Fatal(err)
		}
	}
	c.Start(pods)
	began := time.Now()
	others := Clients{Label: "others", Rate: rate, User: func(i int) string {
		return user([]string{"free", "pro", "enterprise"}[i%3], misusers+i%(usersPerTier-misusers))
	}}
	for i, wrong := range misuses() {
		from := time.Now()
		s.chart.Mark(from.Sub(began), wrong.name)
		stop := c.misuse(wrong, user("free", i), clients)
		c.Offer(long, others)
		sent := stop()
		rs := c.Timeline.Results(from, time.Time{})
		lost := 1 - ratio(len(rs.Served()), len(rs))
		s.Check(lost < 0.02, "requests the others lose to "+wrong.name, "under 2 %", percent(lost))
		s.Note("%s: %d requests of the one user; the others: %v.", wrong.name, sent, rs.By())
	}
	all := c.Timeline.All()
	s.chart.Panels = []Panel{Outcomes(all, began)}
}

// misuse lets clients of one user do wrong as often as they can. The returned func stops them and returns how often they did.
func (c *Cluster) misuse(wrong misuse, who string, clients int) (stop func() int) {
	ctx, cancel := context.WithCancel(c.tb.Context())
	counts := make([]int, clients)
	var all sync.WaitGroup
	for i := range clients {
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

// misuseOnce does wrong once. What comes of it is not what is measured.
func (c *Cluster) misuseOnce(ctx context.Context, wrong misuse, who string) {
	if wrong.stay > 0 {
		var leave context.CancelFunc
		ctx, leave = context.WithTimeout(ctx, wrong.stay)
		defer leave()
	}
	pod := c.balancer.pick()
	if pod == nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, pod.URL+"/llm", strings.NewReader(wrong.body))
	if err != nil {
		c.tb.Error(err)
		return
	}
	maps.Copy(req.Header, wrong.header)
	req.Header.Set("Authorization", "Bearer "+who)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}
