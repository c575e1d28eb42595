package prove

import (
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// outage is one way in which a vendor fails for a while, and what was measured meanwhile.
type outage struct {
	name  string
	fault vendorsim.Fault
	probe time.Duration // how long a probe may take to fail

	began                   time.Time // the first failure
	firstOpened, lastOpened time.Time // the breakers of the pods
	over, lastClosed        time.Time // the vendor's recovery, and the last pod's breaker after it
}

const (
	failoverOpen    = time.Second     // of the breaker, before its first probe
	failoverOpenMax = 2 * time.Second // before each later one
	failoverCall    = 3 * time.Second // the call timeout
)

// comeMixed offers requests of which half ask for a stream.
func (c *Cluster) comeMixed(rate float64) (stop func()) {
	whole, streams := c.Come(Clients{Label: "buffered", Rate: rate / 2}),
		c.Come(Clients{Label: "streams", Rate: rate / 2, Stream: true})
	return func() { whole(); streams() }
}

// suffer has the first vendor fail for the given time after every pod's breaker of that lane has opened. It returns
// when all of them are closed again.
func (c *Cluster) suffer(s *Stage, pods []*Pod, o *outage, dead time.Duration) {
	o.began = time.Now()
	if err := c.Vendor.AddFault(o.fault); err != nil {
		s.Fatal(err)
	}
	opened := c.transitions(pods, "open", o.began)
	o.firstOpened, o.lastOpened = opened[0], opened[len(opened)-1]
	c.hold(dead)
	c.Vendor.ClearFaults()
	o.over = time.Now()
	closed := c.transitions(pods, "closed", o.over)
	o.lastClosed = closed[len(closed)-1]
}

// checkOutage compares one outage with its bars.
func (s *Stage) checkOutage(c *Cluster, o outage) {
	s.Helper()
	const together = 100 * time.Millisecond
	probes := between(arrivals(c.Vendor.Calls()), o.lastOpened.Add(together), o.over)
	allowed := 1 + int((o.over.Sub(o.firstOpened)-failoverOpen+failoverOpenMax-1)/failoverOpenMax)
	s.Check(probes <= allowed, o.name+": calls at the failed vendor, from 100 ms after all breakers opened",
		"its probes: at most "+figure(allowed), probes)
	before := between(arrivals(c.Vendor.Calls()), o.began, o.lastOpened.Add(together))
	s.Note("%s: %d calls reached the failed vendor before, and the last breaker opened %v after the first one.", o.name,
		before, figure(o.lastOpened.Sub(o.firstOpened)))
	back, limit := o.lastClosed.Sub(o.over), o.probe+failoverOpenMax+time.Second
	s.CheckTime(back <= limit, o.name+": from the vendor's recovery to the last pod's",
		"a probe that fails, BREAKER_OPEN_MAX and 1 s: at most "+figure(limit), back)
}
