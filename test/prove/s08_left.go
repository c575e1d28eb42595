package prove

import (
	"context"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var clientsLeave = scenario{
	file: "left", title: "The client left", short: true, run: runLeft,
	claim: "Clients hang up in the middle of their calls, buffered and streaming. " +
		"Their vendor calls are cancelled, and slots and tokens come back.",
}

func runLeft(s *Stage) {
	const each = 2000 // tokens that each call asks for
	pods, clients := pick(s, 10, 3), pick(s, 500, 60)
	tokens := 60 * 2 * clients * each // a minute's, so that all can start within a second
	c := NewCluster(s, vendorsim.Config{}, env("LLM_SLOTS", clients/pods+1),
		env("LLM_QUOTA_TOKENS", tokens), "LLM_ADMISSION_MAX=1000")
	running := c.Start(pods)
	if err := c.Vendor.AddFault(vendorsim.Fault{Kind: "stall", Chunks: 2}); err != nil {
		s.Fatal(err)
	}
	began := time.Now()
	ctx, leave := context.WithCancel(s.Context())
	defer leave()
	var wg sync.WaitGroup
	for i := range clients {
		who := Clients{Label: "leaves", User: func(i int) string { return user("enterprise", i) },
			Stream: i%2 == 0, MaxTokens: each}
		wg.Go(func() { c.Timeline.add(c.ask(ctx, who, i)) })
	}
	c.eventually("every call is at the vendor", func() bool { return c.Vendor.Stats().InFlight == clients })
	sum := func(metric string) (n float64) {
		for _, p := range running {
			n += p.Metric(metric)
		}
		return n
	}
	// Of a stream that has not begun the vendor may produce all, as of a buffered call.
	c.eventually("every stream has begun", func() bool { return sum("llm_streams_open") == float64(clients/2) })
	left := time.Now()
	s.chart.Mark(left.Sub(began), "clients hang up")
	leave()
	wg.Wait()
	c.eventually("every vendor call has ended", func() bool { return c.Vendor.Stats().InFlight == 0 })
	cancelled, last := 0, left
	for _, call := range c.Vendor.Calls() {
		if call.Cancelled {
			cancelled++
		}
		if call.Ended.After(last) {
			last = call.Ended
		}
	}
	s.Check(cancelled == clients, "vendor calls cancelled", figure(clients), cancelled)
	s.CheckTime(last.Sub(left) <= time.Second, "the last of them, after its client left", "within 1 s", last.Sub(left))
	c.eventually("the slots are free", func() bool { return sum("llm_slots_in_use") == 0 })
	inUse := sum("llm_slots_in_use")
	s.Check(inUse == 0, "slots in use afterwards", "0", inUse)

	asked := float64(clients / 2 * each) // by the streams: the vendor may still produce what a buffered call asked for
	freed := func() float64 { return sum(`llm_quota_settled_tokens_total{direction="down",lane="default"}`) }
	c.eventually("the tokens are given back", func() bool { return freed() >= 0.95*asked })
	back := freed() / asked
	s.Check(back >= 0.95 && back <= 1.05, "tokens given back, of those the streams asked for",
		"all but the prompts and what the vendor can have sent: at least 95 %", percent(back))
	s.chart.Panels = []Panel{{Y: "vendor calls in flight",
		Series: []Series{{Name: "in flight", Color: blue, Points: inFlight(c.Vendor.Calls(), began)}}}}
}
