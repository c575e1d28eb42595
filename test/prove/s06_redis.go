package prove

import (
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var redisAway = scenario{
	file: "redis", title: "Redis away", run: runRedis,
	claim: "Redis hangs, is killed, comes back empty, each for a while under load. No request hangs or fails because " +
		"of it, the contract holds, and limits are shared again soon after.",
}

func runRedis(s *Stage) {
	const (
		pods     = 3
		window   = 4 * time.Second
		requests = 800 // of the contract, in a window
		away     = 8 * time.Second
	)
	contract := vendorsim.Contract{Requests: requests, Window: vendorsim.Duration(window)}
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(100 * time.Millisecond), Contract: contract},
		env("LLM_QUOTA_REQUESTS", requests), env("LLM_QUOTA_WINDOW", window), env("LLM_QUOTA_SHARES", pods),
		"LLM_QUOTA_TOKENS=400000",
		"LLM_QUEUE_TIMEOUT=200ms")
	running := c.Start(pods)
	began := time.Now()
	stop := c.Come(Clients{Label: "load", Rate: 0.6 * requests / window.Seconds()})
	// up is how many pods use Redis, over time.
	var up plotter.XYs
	count := func() (n int) {
		for _, p := range running {
			n += int(p.Metric("llm_redis_up"))
		}
		up = append(up, plotter.XY{X: time.Since(began).Seconds(), Y: float64(n)})
		return n
	}
	quiet := func(d time.Duration) {
		for until := time.Now().Add(d); time.Now().Before(until); c.hold(50 * time.Millisecond) {
			count()
		}
	}
	quiet(2 * window)
	before := c.Timeline.Results(began, time.Now())
	p99 := before.Served().Quantile(0.99)
	s.Note("Before: %d requests, p99 %s.", len(before), figure(p99))
	s.Check(len(before.Served()) == len(before), "requests not served before", "0", len(before)-len(before.Served()))
	for _, trouble := range []struct {
		name       string
		begin, end func(*redistest.Server)
	}{
		{"Redis hangs", (*redistest.Server).Stop, (*redistest.Server).Cont},
		{"Redis is killed, and back empty", (*redistest.Server).Kill, (*redistest.Server).Restart},
		{"Redis is restarted at once, empty", (*redistest.Server).Kill, (*redistest.Server).Restart},
	} {
		from := time.Now()
		s.chart.Mark(from.Sub(began), trouble.name)
		trouble.begin(c.Redis)
		if trouble.name != "Redis is restarted at once, empty" {
			quiet(away)
		}
		trouble.end(c.Redis)
		back := time.Now()
		s.chart.Mark(back.Sub(began), "")
		c.eventually("all pods share again", func() bool { return count() == pods })
		shared := time.Since(back)
		quiet(window)
		rs := c.Timeline.Results(from, time.Now())
		s.Check(len(rs.Failed()) == 0, trouble.name+": requests that failed or hung", "0", len(rs.Failed()))
		s.Check(len(rs.Served()) == len(rs), trouble.name+": requests refused, at 60 % of the contract", "0",
			len(rs)-len(rs.Served()))
		added := ratio(rs.Served().Quantile(0.99), p99)
		s.CheckTime(added <= 2, trouble.name+": p99, of that before", "at most 2 x", added)
		s.CheckTime(shared <= 2*time.Second, trouble.name+": back to shared limits after its return", "within 2 s",
			shared)
	}
	stop()
	st := c.Vendor.Stats()
	s.Check(st.RequestViolations == 0, "calls beyond the contract", "0", st.RequestViolations)

	all := c.Timeline.All()
	s.chart.Panels = []Panel{
		Outcomes(all, began),
		Windows(c.Vendor.Calls(), contract, began),
		{Y: "answer in milliseconds", Series: []Series{{Name: "slowest in half a second", Color: blue,
			Points: slowest(all.Served(), began)}}},
		{Y: "pods that use Redis", Series: []Series{{Name: "shared mode", Color: teal, Points: up}}},
	}
}
