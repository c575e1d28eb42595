package breaker

import (
	"context"
	"time"
)

// hold keeps the lease of a probe for as long as the probe runs, a long stream too, and gives it back with the verdict.
// A pod that dies, or stands still for longer than the lease, renews no more, and loses it to another pod. end never
// blocks; only its first call counts.
func (s *syncer) hold(granted reply) (end func(verdict)) {
	ended := make(chan verdict, 1)
	s.done.Go(func() {
		r := request{op: stepRenew, gen: granted.gen, lease: granted.lease}
		if v, ok := s.renew(r, ended); ok {
			r.op = string(v)
			s.giveBack(r)
		}
	})
	return func(v verdict) {
		select {
		case ended <- v:
		default:
		}
	}
}

// renew renews the lease until the probe has ended. It reports false when the pod closes with the probe still running.
func (s *syncer) renew(r request, ended <-chan verdict) (v verdict, ok bool) {
	tick := time.NewTicker(s.b.cfg.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case v := <-ended:
			return v, true
		case <-tick.C:
			s.step(context.Background(), r)
		case <-s.stopped:
			select {
			case v := <-ended: // both at once: the verdict is worth having
				return v, true
			default:
				return "", false
			}
		}
	}
}

// giveBack reports how the probe ended. Trying again does no harm: a lease counts once. It ends, because after a few
// failures the pod is alone and its own machine takes every step.
func (s *syncer) giveBack(r request) {
	for {
		if _, taken := s.step(context.Background(), r); taken {
			break
		}
		select {
		case <-s.stopped:
			return
		case <-time.After(stepRetry):
		}
	}
	s.b.nextAt.Store(0)
}
