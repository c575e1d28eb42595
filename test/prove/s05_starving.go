package prove

import (
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var noStarving = scenario{
	file: "starving", title: "One user cannot starve the others", run: runStarving,
	claim: "A user who sends fifty times what is allowed gets what is allowed. The other users lose nothing.",
}

func runStarving(s *Stage) {
	const (
		pods   = 5
		limit  = 600 // requests a minute
		others = 20
	)
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond)},
		env("LLM_TIER_RATES", "free:60,pro:600,enterprise:6000"))
	c.Start(pods)
	began := time.Now()
	well := Clients{Label: "the others", Rate: others * 0.8 * limit / 60,
		User: func(i int) string { return user("pro", i%others) }}
	greedy := Clients{Label: "one user", Rate: 50 * limit / 60, User: func(int) string { return user("pro", others) }}
	const d = 12 * time.Second
	c.Offer(d/2, well)
	s.chart.Mark(time.Since(began), "one user sends 50 times its limit")
	from := time.Now()
	c.Offer(d, well, greedy)
	rs := c.Timeline.Results(from, time.Time{})
	lost := 1 - ratio(len(rs.Label("the others").Served()), len(rs.Label("the others")))
	s.Check(lost < 0.02, "requests that the others lost", "under 2 %", percent(lost))
	got := rs.Label("one user")
	allowed := limit/60*d.Seconds() + limit // a limit of redis_rate is also its burst
	s.Check(float64(len(got.Served())) <= allowed, "requests of the one user that were served",
		"at most its limit and one burst over "+d.String(), len(got.Served()))
	s.Note("The one user sent %d requests. p99 of the others: %s with it, %s before.", len(got),
		figure(rs.Label("the others").Served().Quantile(0.99)),
		figure(c.Timeline.Results(began, from).Served().Quantile(0.99)))

	all := c.Timeline.All()
	until := all[len(all)-1].At
	s.chart.Panels = []Panel{Outcomes(all, began), {Y: "served per second", Series: []Series{
		{Name: "the others", Color: green, Points: rates(sent(all.Label("the others").Served()), began, until)},
		{Name: "one user", Color: blue, Points: rates(sent(all.Label("one user").Served()), began, until)},
		{Name: "the others, offered", Color: grey, Dashed: true, Points: level(well.Rate, until.Sub(began).Seconds())},
	}}}
}
