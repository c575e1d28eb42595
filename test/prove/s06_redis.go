package prove

import (
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var redisAway = scenario{
	file: "redis", title: "Redis away", run: runRedis,
	claim: "Redis hangs, is killed, and comes back empty, each for a while under load. " +
		"No request hangs or fails because of it, the contract holds, and the limits are shared again soon after.",
}

const (
	redisPods     = 3
	redisWindow   = 4 * time.Second
	redisRequests = 800 // of the contract, in a window
)

// redisTrouble is one thing that happens to Redis.
type redisTrouble struct {
	name       string
	away       time.Duration // between begin and end
	begin, end func(*redistest.Server)
}

var redisTroubles = []redisTrouble{
	{"Redis hangs", 8 * time.Second, (*redistest.Server).Stop, (*redistest.Server).Cont},
	{"Redis is killed, and back empty", 8 * time.Second, (*redistest.Server).Kill, (*redistest.Server).Restart},
	{"Redis is restarted at once, empty", 0, (*redistest.Server).Kill, (*redistest.Server).Restart},
}

// sharedPods records over time how many pods use Redis.
type sharedPods struct {
	cluster *Cluster
	pods    []*Pod
	began   time.Time
	points  plotter.XYs
}

// count asks the pods, and records how many use Redis.
func (sh *sharedPods) count() (n int) {
	for _, p := range sh.pods {
		n += int(p.Metric("llm_redis_up"))
	}
	sh.points = append(sh.points, plotter.XY{X: time.Since(sh.began).Seconds(), Y: float64(n)})
	return n
}

// countFor counts again and again for the time d.
func (sh *sharedPods) countFor(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); sh.cluster.hold(50 * time.Millisecond) {
		sh.count()
	}
}

func runRedis(s *Stage) {
	contract := vendorsim.Contract{Requests: redisRequests, Window: vendorsim.Duration(redisWindow)}
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(100 * time.Millisecond), Contract: contract},
		env("LLM_QUOTA_REQUESTS", redisRequests), env("LLM_QUOTA_WINDOW", redisWindow),
		env("LLM_QUOTA_SHARES", redisPods), "LLM_QUOTA_TOKENS=400000", "LLM_QUEUE_TIMEOUT=200ms")
	shared := &sharedPods{cluster: c, pods: c.Start(redisPods), began: time.Now()}
	began := shared.began
	stop := c.Come(Clients{Label: "load", Rate: 0.6 * redisRequests / redisWindow.Seconds()})
	shared.countFor(2 * redisWindow)
	before := c.Timeline.Results(began, time.Now())
	p99 := before.Served().Quantile(0.99)
	s.Note("Before: %d requests, p99 %s.", len(before), figure(p99))
	s.Check(before.lost() == 0, "requests not served before", "0", before.lost())
	for _, trouble := range redisTroubles {
		s.surviveRedis(trouble, shared, p99)
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
		{Y: "pods that use Redis", Series: []Series{{Name: "shared mode", Color: teal, Points: shared.points}}},
	}
}

// surviveRedis causes one trouble under load, and compares the clients' results with the bars. p99 is that of the time
// before.
func (s *Stage) surviveRedis(trouble redisTrouble, shared *sharedPods, p99 time.Duration) {
	s.Helper()
	c := shared.cluster
	from := time.Now()
	s.chart.Mark(from.Sub(shared.began), trouble.name)
	trouble.begin(c.Redis)
	shared.countFor(trouble.away)
	trouble.end(c.Redis)
	back := time.Now()
	s.chart.Mark(back.Sub(shared.began), "")
	c.eventually("all pods share again", func() bool { return shared.count() == len(shared.pods) })
	took := time.Since(back)
	shared.countFor(redisWindow)
	rs := c.Timeline.Results(from, time.Now())
	s.Check(len(rs.Failed()) == 0, trouble.name+": requests that failed or hung", "0", len(rs.Failed()))
	s.Check(rs.lost() == 0, trouble.name+": requests refused, at 60 % of the contract", "0", rs.lost())
	slower := ratio(rs.Served().Quantile(0.99), p99)
	s.CheckTime(slower <= 2, trouble.name+": p99, of that before", "at most 2 x", slower)
	s.CheckTime(took <= 2*time.Second, trouble.name+": back to shared limits after its return", "within 2 s", took)
}
