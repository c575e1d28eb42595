package prove

import (
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var overloadIsFair = scenario{
	file: "overload", title: "Overload fails fast and fairly", run: runOverload,
	claim: "The load is five times what can be served. Refusals come at once, answers come in time, " +
		"the highest tier loses hardly anything, and as much is served as before.",
}

func runOverload(s *Stage) {
	const (
		pods, slots = 3, 10
		latency     = 200 * time.Millisecond
		capacity    = float64(pods*slots) / 0.2 // calls a second
		queue       = time.Second
	)
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(latency)},
		env("LLM_SLOTS", slots), env("LLM_QUEUE_TIMEOUT", queue), "LLM_QUEUE_MAX=20", "LLM_SLA=3s",
		"LLM_CALL_TIMEOUT=1s", "LLM_BREAKER_LEASE=3s")
	c.Start(pods)
	began := time.Now()
	crowd := func(tier string, rate float64) Clients {
		return Clients{Label: tier, Rate: rate, User: func(i int) string { return user(tier, i) }}
	}
	phase := func(name string, d time.Duration, who ...Clients) Results {
		from := time.Now()
		s.chart.Mark(from.Sub(began), name)
		c.Offer(d, who...)
		return c.Timeline.Results(from, time.Time{})
	}
	const d = 8 * time.Second
	perSecond := func(rs Results) float64 { return float64(len(rs.Served())) / d.Seconds() }

	alone := phase("enterprise alone", d, crowd("enterprise", 0.5*capacity))
	peak := phase("as much as can be served", d, crowd("enterprise", 0.5*capacity), crowd("pro", 0.3*capacity),
		crowd("free", 0.3*capacity))
	over := phase("five times that", d, crowd("enterprise", 0.5*capacity), crowd("pro", 1.5*capacity),
		crowd("free", 3*capacity))

	refused := over.Refused()
	s.Check(len(refused) > 0 && refused.Quantile(0.5) <= queue/5, "time to a refusal, median",
		"at most 20 % of the queue timeout = 200 ms", refused.Quantile(0.5))
	s.Check(over.Served().Quantile(1) <= 3*time.Second, "slowest request served", "within the SLA = 3 s",
		over.Served().Quantile(1))
	enterprise := ratio(perSecond(over.Label("enterprise")), perSecond(alone))
	s.Check(enterprise >= 0.95, "enterprise goodput, of what it gets alone", "at least 95 %", percent(enterprise))
	goodput := ratio(perSecond(over), perSecond(peak))
	s.Check(goodput >= 0.9, "total goodput, of the peak", "at least 90 %", percent(goodput))
	s.Check(len(over.Failed()) == 0, "requests without an answer", "0", len(over.Failed()))
	for _, tier := range []string{"enterprise", "pro", "free"} {
		rs := over.Label(tier)
		s.Note("Overloaded, %s: %d offered, %s served, p50 %s, p99 %s.", tier, len(rs),
			percent(ratio(len(rs.Served()), len(rs))),
			figure(rs.Served().Quantile(0.5)), figure(rs.Served().Quantile(0.99)))
	}

	all := c.Timeline.All()
	until := all[len(all)-1].At
	byTier := Panel{Y: "served per second", Series: []Series{
		{Name: "can be served", Color: grey, Dashed: true, Points: level(capacity, until.Sub(began).Seconds())}}}
	for tier, color := range tierColors {
		byTier.Series = append(byTier.Series, Series{Name: tier, Color: color,
			Points: rates(sent(all.Label(tier).Served()), began, until)})
	}
	s.chart.Panels = []Panel{Outcomes(all, began), byTier}
}
