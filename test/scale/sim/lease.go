package sim

import (
	"math/rand/v2"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// Lease is a sketch of the step after one script for each call: a pod books several starts at once and may use them for a
// while without asking again. It is no part of the service; this is what it would cost, and whether the contract would
// hold. A start that is leased may be used until the lease ends, so the lease's length joins the queue timeout in the
// emission interval: T = (W + Q + H) / (L - B). What is not used by then is lost.
type Lease struct {
	Size
	Starts int           // booked at once
	Length time.Duration // H
	Load   float64       // offered, in contracts
	Hoard  bool          // every now and then starts are leased and kept until just before their leases end
	forget bool          // the interval leaves the lease's length out: a test looks whether that is noticed
}

// LeaseResult is what came of it.
type LeaseResult struct {
	vendorsim.Verdict
	Offered, Asked int
	Use, Fullest   float64 // of the contract, as in Result
	Unlucky        float64 // part of the pods that made less than half of the mean number of calls
}

type leaser struct {
	left  int
	ends  micros
	calls int
}

// Run plays it.
func (l Lease) Run() LeaseResult {
	burst := micros(max(l.Starts, l.Requests/50))
	span := l.Window + l.Queue + l.Length
	if l.forget {
		span -= l.Length
	}
	rest := micros(l.Requests) - burst
	interval := (span.Microseconds() + rest - 1) / rest
	random := rand.New(rand.NewPCG(l.Seed, 2))
	judge := vendorsim.NewJudge(vendorsim.Contract{Requests: l.Requests, Window: vendorsim.Duration(l.Window)})
	pods, r := make([]leaser, l.Pods), LeaseResult{}
	now, tat, hoarding := epoch, epoch, false
	length, window := l.Length.Microseconds()*99/100, l.Window.Microseconds()
	call := func(p *leaser) {
		r.Offered++
		if p.left == 0 || now >= p.ends {
			r.Asked++
			p.left = 0
			if end := max(tat, now) + micros(l.Starts)*interval; end-now <= burst*interval {
				tat, p.left, p.ends = end, l.Starts, now+length
			}
		}
		if p.left > 0 && !hoarding {
			p.left--
			p.calls++
			judge.Arrive(time.UnixMicro(now), 0)
		}
	}
	gap := float64(l.Window.Microseconds()) / (l.Load * float64(l.Requests))
	warm := 0
	for now < epoch+micros(l.Windows)*window {
		now += max(1, micros(random.ExpFloat64()*gap))
		if warm == 0 && now > epoch+window {
			warm = judge.Verdict().Requests
		}
		phase := (now - epoch) % (window + length)
		was := hoarding
		hoarding = l.Hoard && phase > window
		if was && !hoarding { // everyone uses what he has
			for i := range pods {
				for p := &pods[i]; p.left > 0 && now < p.ends; {
					call(p)
				}
			}
		}
		p := &pods[random.IntN(len(pods))]
		if hoarding && p.left > 0 && now < p.ends {
			continue
		}
		call(p)
	}
	r.Verdict = judge.Verdict()
	r.Use = float64(r.Requests-warm) / (float64(l.Requests) * float64(l.Windows-1))
	r.Fullest = float64(r.MaxRequests) / float64(l.Requests)
	for _, p := range pods {
		if 2*p.calls*l.Pods < r.Requests {
			r.Unlucky += 1 / float64(l.Pods)
		}
	}
	return r
}
