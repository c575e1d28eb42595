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
	requests := s.requests()
	return Snapshot{
		At:       now.at,
		State:    state(f),
		Requests: requests,
		Layers:   s.layers(requests.PerSecond),
		Slots:    slots(f),
		Pressure: f.max("llm_pressure", ""),
		Quota:    quota(f, ""),
		Breaker:  s.breaker(),
		Vendor:   s.vendor(span{earlier, now}, ""),
		Retries:  s.retries(),
		Failover: s.rate("llm_failovers_total", ""),
		Redis:    Redis{Shared: f.sum("llm_redis_up", "") > 0, Full: f.sum("llm_redis_full", "") > 0},
		Jobs:     jobs(f),
		Memory:   memory(f),
		Lanes:    s.lanes(span{earlier, now}),
	}
}

// grown is a counter that was at old and is at now.
func (s span) grown(old, now float64) Rate {
	r := Rate{Total: now}
	if took := s.now.at.Sub(s.old.at).Seconds(); took > 0 {
		r.PerSecond = max(0, now-old) / took
	}
	return r
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

// requests counts those that ask for calls and jobs.
func (s span) requests() Requests {
	old, now := outcomes(s.old.figures), outcomes(s.now.figures)
	r := Requests{Inside: s.now.figures.sum("llm_http_in_flight", ""), Outcomes: s.sorted(old, now)}
	r.Rate = s.grown(total(old), total(now))
	return r
}

// outcomes counts requests by how they ended.
func outcomes(f figures) map[string]float64 {
	sums := map[string]float64{}
	for m := range f.series("llm_http_requests_total", "") {
		route := label(m, "route")
		if !strings.HasPrefix(route, "/llm") && !strings.HasPrefix(route, "/v1/") {
			continue
		}
		name := label(m, "reason")
		if status := label(m, "status"); name == "" && status < "400" {
			name = outcomeOK
		} else if name == "" {
			name = "status_" + status // the vendor's own answer, passed on
		}
		sums[name] += value(m)
	}
	return sums
}

func total(sums map[string]float64) float64 {
	all := 0.0
	for _, n := range sums {
		all += n
	}
	return all
}
