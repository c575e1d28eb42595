package live

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// reading is all that a snapshot is made of, at one moment.
type reading struct {
	at      time.Time
	figures figures
	refused map[cause]float64
}

// span is the time between two readings. Rates are over it.
type span struct{ old, now reading }

// derive makes the snapshot of now. Rates are since recent, quantiles since earlier.
func derive(recent, earlier, now reading) Snapshot {
	s, f := span{recent, now}, now.figures
	requests, lanes := s.requests(), s.lanes(span{earlier, now})
	return Snapshot{
		At:       now.at,
		State:    state(f),
		Requests: requests,
		Layers:   s.layers(requests),
		Slots:    slots(f),
		Pressure: f.max("llm_pressure", ""),
		Quota:    nearest(lanes),
		Breaker:  s.breaker(),
		Vendor:   s.vendor(span{earlier, now}, ""),
		Retries:  s.retries(),
		Failover: s.rate("llm_failovers_total", ""),
		Redis:    Redis{Shared: f.sum("llm_redis_up", "") > 0, Full: f.sum("llm_redis_full", "") > 0},
		Jobs:     jobs(f),
		Memory:   memory(f),
		Lanes:    lanes,
	}
}

// grown is a counter that was at old and is at now.
func (s span) grown(old, now float64) Rate {
	r := Rate{Total: now}
	r.PerSecond = max(0, s.change(old, now))
	return r
}

// change is by how much a gauge grew each second.
func (s span) change(old, now float64) float64 {
	took := s.now.at.Sub(s.old.at).Seconds()
	if took <= 0 {
		return 0
	}
	return (now - old) / took
}

// rate is a counter, all its series added up.
func (s span) rate(name, lane string) Rate {
	return s.grown(s.old.figures.sum(name, lane), s.now.figures.sum(name, lane))
}

// named is a counter by the values of one of its labels.
func (s span) named(name, lane, label string) []Named {
	return s.sorted(s.old.figures.by(name, lane, label), s.now.figures.by(name, lane, label))
}

// sorted turns sums at two moments into counters, in the order of their names.
func (s span) sorted(old, now map[string]float64) []Named {
	list := make([]Named, 0, len(now))
	for _, name := range slices.Sorted(maps.Keys(now)) {
		list = append(list, Named{name, s.grown(old[name], now[name])})
	}
	return list
}

// outcomeOK is the outcome of a request that succeeded.
const outcomeOK = "ok"

// requests counts those that ask for calls and jobs. Those that came are those that ended, and those that are inside
// now and were not before.
func (s span) requests() Requests {
	old, now := outcomes(s.old.figures, forAll), outcomes(s.now.figures, forAll)
	was, inside := s.old.figures.sum("llm_http_in_flight", ""), s.now.figures.sum("llm_http_in_flight", "")
	return Requests{
		Rate:   Rate{Total: total(now), PerSecond: s.grown(total(old)+was, total(now)+inside).PerSecond},
		Inside: inside, Outcomes: s.sorted(old, now),
	}
}

// What requests are for.
type purpose int

const (
	forAll  purpose = iota
	forCall         // to call a vendor and answer at once
	forJob          // to take a job, which calls the vendor later
	forRead         // to read jobs or lists of models: no vendor is called
)

// outcomes counts requests for a purpose by how they ended.
func outcomes(f figures, of purpose) map[string]float64 {
	sums := map[string]float64{}
	for m := range f.series("llm_http_requests_total", "") {
		route, status, name := label(m, "route"), label(m, "status"), label(m, "reason")
		if !strings.HasPrefix(route, "/llm") && !strings.HasPrefix(route, "/v1/") {
			continue
		}
		what := forCall
		switch {
		case strings.HasPrefix(route, "/llm/jobs"), strings.HasPrefix(route, "/v1/models"):
			what = forRead
		case status == "202":
			what = forJob
		}
		if of != forAll && of != what {
			continue
		}
		if name == "" && status < "400" {
			name = outcomeOK
		} else if name == "" {
			name = passedOn + status
		}
		sums[name] += value(m)
	}
	return sums
}

// passedOn begins the outcome of a request that was given the vendor's own answer, which is no success.
const passedOn = "status_"

func total(sums map[string]float64) float64 {
	all := 0.0
	for _, n := range sums {
		all += n
	}
	return all
}
