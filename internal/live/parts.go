package live

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// state is the pod's state, as readiness has it.
func state(f figures) string {
	for m := range f.series("llm_pod_state", "") {
		if value(m) > 0 {
			return label(m, "state")
		}
	}
	return ""
}

func slots(f figures) Slots {
	return Slots{Size: f.sum("llm_slots", ""), Used: f.sum("llm_slots_in_use", ""),
		Waiting: f.sum("llm_slots_waiting", "")}
}

// quota is the use of a lane's contract. Its rates are over s.
func (s span) quota(lane string) Quota {
	f := s.now.figures
	q := Quota{Waiting: f.sum("llm_quota_waiting", lane)}
	for m := range f.series("llm_quota_usable_per_second", lane) {
		if math.IsInf(value(m), 1) {
			continue
		}
		switch label(m, "resource") {
		case "requests":
			q.Requests = &Use{s.rate("llm_vendor_attempts_total", lane).PerSecond, value(m)}
		case "tokens":
			q.Tokens = &Use{s.rate("llm_tokens_total", lane).PerSecond, value(m)}
		}
	}
	return q
}

// nearest has the uses of those lanes that are nearest to their contracts.
func nearest(lanes []Lane) (q Quota) {
	for _, l := range lanes {
		q.Requests, q.Tokens = q.Requests.nearer(l.Quota.Requests), q.Tokens.nearer(l.Quota.Tokens)
		q.Waiting += l.Quota.Waiting
	}
	return q
}

func (u *Use) nearer(o *Use) *Use {
	if u == nil || o != nil && *o.ratio() > *u.ratio() {
		return o
	}
	return u
}

// ratio is nil when there is no limit.
func (u *Use) ratio() *float64 {
	if u == nil {
		return nil
	}
	return new(u.PerSecond / u.Of)
}

func (s span) breaker() Breaker {
	f := s.now.figures
	return Breaker{
		State:  breaker(f, ""),
		Opened: f.by("llm_breaker_transitions_total", "", "to")["open"],
		Probes: s.named("llm_breaker_probes_total", "", "result"),
	}
}

// breaker names the state of the breaker; of several, the one that is farthest from closed.
func breaker(f figures, lane string) string {
	switch f.max("llm_breaker_state", lane) {
	case 0:
		return "closed"
	case 1:
		return "half-open"
	}
	return "open"
}

// vendor counts exchanges over s and measures them over long.
func (s span) vendor(long span, lane string) Vendor {
	took := func(metric string) Latency {
		return long.now.figures.histogram(metric, lane).since(long.old.figures.histogram(metric, lane)).latency()
	}
	return Vendor{
		Rate:    s.rate("llm_vendor_attempts_total", lane),
		Results: s.named("llm_vendor_attempts_total", lane, "result"),
		Latency: took("llm_vendor_duration_seconds"),
		First:   took("llm_vendor_first_event_seconds"),
	}
}

func (s span) retries() Retries {
	return Retries{
		Rate:   s.rate("llm_retries_total", ""),
		Denied: s.named("llm_retries_denied_total", "", "reason"),
		Budget: s.now.figures.sum("llm_retry_budget", ""),
	}
}

// lanes has one row for each value of the label "lane".
func (s span) lanes(long span) []Lane {
	rows := []Lane{}
	for _, name := range s.now.figures.lanes() {
		f := s.now.figures
		rows = append(rows, Lane{Name: name, Quota: long.quota(name), Breaker: breaker(f, name),
			Vendor: s.vendor(long, name)})
	}
	return rows
}

func jobs(f figures) *Jobs {
	if !f.has("llm_jobs_depth") {
		return nil
	}
	return &Jobs{Queued: amounts(f.by("llm_jobs_depth", "", "priority")), Running: f.sum("llm_jobs_running", "")}
}

// memory has every gauge of the memory budget.
func memory(f figures) *Memory {
	found := map[string]float64{}
	for name, family := range f {
		if strings.HasPrefix(name, "llm_memory_") && len(family.GetMetric()) > 0 &&
			family.GetMetric()[0].GetGauge() != nil {
			found[name] = f.sum(name, "")
		}
	}
	if len(found) == 0 {
		return nil
	}
	return new(Memory(amounts(found)))
}

// amounts lists gauges in the order of their names.
func amounts(values map[string]float64) []Amount {
	list := make([]Amount, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list = append(list, Amount{name, values[name]})
	}
	return list
}
