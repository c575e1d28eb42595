package live

import "time"

// Document is what GET /debug/live answers.
type Document struct {
	Snapshot

	Way     []Step   `json:"way"`               // what Layers are
	History []Point  `json:"history"`           // the last five minutes, one point a second, the oldest first
	Lessons []Lesson `json:"lessons,omitempty"` // with the playground
}

// Snapshot is what this pod, or all pods together, did of late. It has no data of users. A rate is the mean of the last
// five seconds, where nothing else is said; a total counts since the pod started, as in /metrics.
type Snapshot struct {
	At       time.Time `json:"at"`
	Pod      string    `json:"pod"`
	Shares   bool      `json:"shares"`          // there are the figures of all pods too: ?pods=all
	Pods     []Pod     `json:"pods,omitempty"`  // whose figures are added up; absent when they are those of one pod
	Missing  int       `json:"missing"`         // further pods, whose figures could not be read
	Alone    string    `json:"alone,omitempty"` // why these are the figures of one pod, though all were asked for
	State    string    `json:"state"`           // starting, ready, saturated or draining
	Requests Requests  `json:"requests"`
	Layers   []Layer   `json:"layers"` // in the order in which a request meets them
	Slots    Slots     `json:"slots"`
	Pressure float64   `json:"pressure"` // what shedding goes by, 0 to 1; of all pods the largest
	Quota    Quota     `json:"quota"`
	Breaker  Breaker   `json:"breaker"`
	Vendor   Vendor    `json:"vendor"`
	Retries  Retries   `json:"retries"`
	Failover Rate      `json:"failovers"` // calls that went on to another lane
	Redis    Redis     `json:"redis"`
	Jobs     *Jobs     `json:"jobs"`          // null when the pod takes none
	Memory   *Memory   `json:"memory"`        // null when there is no budget
	Lanes    []Lane    `json:"lanes"`         // empty while metrics have no label "lane"
	Refused  []Refusal `json:"refused"`       // the last fifty requests that were refused or failed, the latest first
	Play     *Play     `json:"dev,omitempty"` // with the playground
	Point    Point     `json:"point"`         // what the history keeps of it
}

// Pod is one of several pods.
type Pod struct {
	Name        string  `json:"name"`
	State       string  `json:"state"`
	Requests    float64 `json:"requests_per_second"`
	Inside      float64 `json:"inside"`
	SlotsUsed   float64 `json:"slots_used"`
	Waiting     float64 `json:"waiting"`
	RedisShared bool    `json:"redis_shared"`
}

// Rate is a counter: its total, and by how much it grew each second.
type Rate struct {
	Total     float64 `json:"total"`
	PerSecond float64 `json:"per_second"`
}

// Named is one of several counters.
type Named struct {
	Name string `json:"name"`
	Rate
}

// Requests are those that ask for calls and jobs; health checks and documentation are left out. The rate is of those
// that came, the total of those that ended.
type Requests struct {
	Rate
	Inside   float64 `json:"inside"`   // in this pod now
	Outcomes []Named `json:"outcomes"` // how they ended: "ok", or the code of the error document
}

// Layer is one layer of the request's way.
type Layer struct {
	Name    string  `json:"name"`
	Passed  float64 `json:"passed_per_second"` // requests it let through; of the vendor those it answered
	Refused Rate    `json:"refused"`
	Reasons []Named `json:"reasons"` // of the refused ones
}

// Slots are the vendor calls of this pod that may be in flight.
type Slots struct {
	Size    float64 `json:"size"`
	Used    float64 `json:"used"`
	Waiting float64 `json:"waiting"` // calls in the queue for a slot
}

// Quota is the use of the vendor's contract by this pod, or by all pods together; of several lanes, that of the lane
// which is nearest to its contract.
type Quota struct {
	Requests *Use    `json:"requests"` // null: not limited
	Tokens   *Use    `json:"tokens"`   // null: not limited
	Waiting  float64 `json:"waiting"`  // calls that sleep until their booked start
}

// Use is how much of a limit was used, as the mean of the last thirty seconds.
type Use struct {
	PerSecond float64 `json:"per_second"`
	Of        float64 `json:"of_per_second"` // what all pods together can start in the long run
}

// Breaker is the breaker as this pod knows it.
type Breaker struct {
	State          string  `json:"state"`            // closed, half-open or open
	ProbeInSeconds float64 `json:"probe_in_seconds"` // 0 while it is closed; of several lanes the next probe
	Opened         float64 `json:"opened"`           // times that it opened since the pod started
	Probes         []Named `json:"probes"`           // calls that tried the vendor while it was half-open: won or lost
}

// Vendor is the exchanges with the vendor.
type Vendor struct {
	Rate
	Results []Named `json:"results"`     // "ok", or the kind of failure
	Latency Latency `json:"latency"`     // streams until their last byte
	First   Latency `json:"first_event"` // until a stream had something to show
}

// Latency has quantiles in seconds, over the last thirty seconds; null when nothing was measured.
type Latency struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
	buckets
}

// Retries are attempts after a failed one.
type Retries struct {
	Rate
	Denied []Named `json:"denied"` // retries not made: "budget" when the budget was used up
	Budget float64 `json:"budget"` // retries that the budget would pay for now
}

// Redis says whether this pod shares its limits with the others.
type Redis struct {
	Shared bool `json:"shared"` // false: the pod works from its own counts
	Full   bool `json:"full"`
}

// Jobs are the requests that are answered later.
type Jobs struct {
	Queued  []Amount `json:"queued"`  // by priority, of all pods
	Running float64  `json:"running"` // in this pod
}

// Amount is one of several gauges.
type Amount struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Memory is every gauge whose name begins with llm_memory_.
type Memory []Amount

// Lane is what one contract covers.
type Lane struct {
	Name           string  `json:"name"`
	Quota          Quota   `json:"quota"`
	Breaker        string  `json:"breaker"`          // closed, half-open or open
	ProbeInSeconds float64 `json:"probe_in_seconds"` // 0 while it is closed
	Vendor         Vendor  `json:"vendor"`
}

// Point is one second of the history: requests in each second, and gauges. Null is what was not measured, or has no
// limit.
type Point struct {
	At       time.Time `json:"at"`
	In       float64   `json:"in"`
	OK       float64   `json:"ok"`
	Refused  float64   `json:"refused"`
	Failed   float64   `json:"failed"` // the vendor's failures, and the service's own
	P50      *float64  `json:"p50"`
	P95      *float64  `json:"p95"`
	P99      *float64  `json:"p99"`
	Slots    float64   `json:"slots"`
	Waiting  float64   `json:"waiting"`
	Requests *float64  `json:"quota_requests"` // ratio of the contract
	Tokens   *float64  `json:"quota_tokens"`   // ratio of the contract
	Breaker  string    `json:"breaker"`
	First    *float64  `json:"first_event"` // p95
	Retries  float64   `json:"retries"`
	Budget   float64   `json:"retry_budget"`
}

// point is what the history keeps of a snapshot.
func (s *Snapshot) point() Point {
	p := Point{
		At: s.At, In: s.Requests.PerSecond, P50: s.Vendor.Latency.P50, P95: s.Vendor.Latency.P95,
		P99:   s.Vendor.Latency.P99,
		Slots: s.Slots.Used, Waiting: s.Slots.Waiting, Requests: s.Quota.Requests.ratio(),
		Tokens:  s.Quota.Tokens.ratio(),
		Breaker: s.Breaker.State, First: s.Vendor.First.P95, Retries: s.Retries.PerSecond, Budget: s.Retries.Budget,
	}
	for _, o := range s.Requests.Outcomes {
		if o.Name == outcomeOK {
			p.OK = o.PerSecond
		}
	}
	for _, layer := range s.Layers {
		switch layer.Name {
		case layerVendor, layerService, "deadline": // what took too long had passed the layers
			p.Failed += layer.Refused.PerSecond
		case layerClient: // it was neither refused, nor did it fail
		default:
			p.Refused += layer.Refused.PerSecond
		}
	}
	return p
}
