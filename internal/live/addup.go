package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// addUp makes one snapshot of those of several pods. What all pods share is the largest that one of them tells: what
// the contract allows, the breaker, queued jobs. So is the pressure, by which each pod sheds alone. The rest is added
// up.
func addUp(pods []Snapshot) Snapshot {
	var s Snapshot
	ready := 0
	for i, p := range pods {
		s.Requests = s.Requests.plus(p.Requests)
		s.Layers = plusLayers(s.Layers, p.Layers)
		s.Slots = Slots{Size: s.Slots.Size + p.Slots.Size, Used: s.Slots.Used + p.Slots.Used, Waiting: s.Slots.Waiting +
			p.Slots.Waiting}
		s.Pressure = max(s.Pressure, p.Pressure)
		s.Breaker = s.Breaker.with(p.Breaker)
		s.Vendor = s.Vendor.plus(p.Vendor)
		s.Retries = Retries{s.Retries.plus(p.Retries.Rate), plusNamed(s.Retries.Denied, p.Retries.Denied),
			s.Retries.Budget + p.Retries.Budget}
		s.Failover = s.Failover.plus(p.Failover)
		s.Redis = Redis{Shared: (i == 0 || s.Redis.Shared) && p.Redis.Shared, Full: s.Redis.Full || p.Redis.Full}
		s.Jobs = plusJobs(s.Jobs, p.Jobs)
		s.Memory = plusMemory(s.Memory, p.Memory)
		s.Lanes = plusLanes(s.Lanes, p.Lanes)
		s.Pods = append(s.Pods, Pod{
			Name: p.Pod, State: p.State, Requests: p.Requests.PerSecond, Inside: p.Requests.Inside,
			SlotsUsed: p.Slots.Used, Waiting: p.Slots.Waiting, RedisShared: p.Redis.Shared,
		})
		if p.State == "ready" {
			ready++
		}
	}
	s.Quota = nearest(s.Lanes)
	s.State = "ready"
	if ready < len(pods) {
		s.State = fmt.Sprintf("%d of %d ready", ready, len(pods))
	}
	slices.SortStableFunc(s.Pods, func(a, b Pod) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func (r Rate) plus(o Rate) Rate { return Rate{r.Total + o.Total, r.PerSecond + o.PerSecond} }

func (r Requests) plus(o Requests) Requests {
	return Requests{r.Rate.plus(o.Rate), r.Inside + o.Inside, plusNamed(r.Outcomes, o.Outcomes)}
}

// plus adds up what two pods use of a contract that they share.
func (q Quota) plus(o Quota) Quota {
	return Quota{q.Requests.plus(o.Requests), q.Tokens.plus(o.Tokens), q.Waiting + o.Waiting}
}

func (u *Use) plus(o *Use) *Use {
	if u == nil || o == nil {
		return cmp.Or(u, o)
	}
	return &Use{u.PerSecond + o.PerSecond, max(u.Of, o.Of)}
}

func (v Vendor) plus(o Vendor) Vendor {
	return Vendor{
		Rate: v.Rate.plus(o.Rate), Results: plusNamed(v.Results, o.Results),
		Latency: v.Latency.plus(o.Latency.buckets, 1).latency(), First: v.First.plus(o.First.buckets, 1).latency(),
	}
}

// with counts what both have seen: every pod sees the shared breaker open, and makes probes of its own.
func (b Breaker) with(o Breaker) Breaker {
	return Breaker{State: worse(b.State, o.State), ProbeInSeconds: sooner(b.ProbeInSeconds, o.ProbeInSeconds),
		Opened: max(b.Opened, o.Opened), Probes: plusNamed(b.Probes, o.Probes)}
}

// worse is the state of a breaker that is farther from closed. A pod may not know yet that it has closed.
func worse(a, b string) string {
	states := []string{"", "closed", "half-open", "open"}
	if slices.Index(states, b) > slices.Index(states, a) {
		return b
	}
	return a
}

// sooner is the time of the next probe of two breakers; 0 while both are closed.
func sooner(a, b float64) float64 {
	if a > 0 && b > 0 {
		return min(a, b)
	}
	return max(a, b)
}

// merged has the elements of both lists, those of the same name as one. It is never nil.
func merged[T any](a, b []T, name func(T) string, join func(x, y T) T) []T {
	all := append([]T{}, a...)
	for _, one := range b {
		if i := slices.IndexFunc(all, func(x T) bool { return name(x) == name(one) }); i >= 0 {
			all[i] = join(all[i], one)
		} else {
			all = append(all, one)
		}
	}
	return all
}

func plusNamed(a, b []Named) []Named {
	all := merged(a, b, func(n Named) string { return n.Name },
		func(x, y Named) Named { return Named{x.Name, x.plus(y.Rate)} })
	slices.SortFunc(all, func(x, y Named) int { return strings.Compare(x.Name, y.Name) })
	return all
}

func plusLayers(a, b []Layer) []Layer {
	all := merged(a, b, func(l Layer) string { return l.Name }, func(x, y Layer) Layer {
		return Layer{x.Name, x.Passed + y.Passed, x.Refused.plus(y.Refused), plusNamed(x.Reasons, y.Reasons)}
	})
	known := map[string]map[string]float64{}
	for _, l := range all {
		known[l.Name] = nil
	}
	way := names(known)
	slices.SortStableFunc(all, func(x, y Layer) int {
		return cmp.Compare(slices.Index(way, x.Name),
			slices.Index(way, y.Name))
	})
	return all
}

func plusLanes(a, b []Lane) []Lane {
	return merged(a, b, func(l Lane) string { return l.Name }, func(x, y Lane) Lane {
		return Lane{x.Name, x.Quota.plus(y.Quota), worse(x.Breaker, y.Breaker),
			sooner(x.ProbeInSeconds, y.ProbeInSeconds), x.Vendor.plus(y.Vendor)}
	})
}

func plusJobs(a, b *Jobs) *Jobs {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	queued := map[string]float64{}
	for _, q := range slices.Concat(a.Queued, b.Queued) {
		queued[q.Name] = max(queued[q.Name], q.Value)
	}
	return &Jobs{Queued: amounts(queued), Running: a.Running + b.Running}
}

func plusMemory(a, b *Memory) *Memory {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	sums := map[string]float64{}
	for _, m := range slices.Concat(*a, *b) {
		sums[m.Name] += m.Value
	}
	return new(Memory(amounts(sums)))
}
