package breaker

import (
	"context"
	"time"
)

// keepLease renews the lease of a probe while the probe runs, which may be a long stream, and gives it back with the
// verdict. A pod that dies or stands still for longer than the lease does not renew it, and another pod gets it. end
// never blocks; only its first call counts.
func (s *syncer) keepLease(granted reply) (end func(verdict)) {
	ended := make(chan verdict, 1)
	s.done.Go(func() {
		r := request{op: opRenew, gen: granted.gen, lease: granted.lease}
		if v, ok := s.renew(r, ended); ok {
			r.op, r.verdict = opEnd, v
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
			case v := <-ended: // both at the same moment: the verdict is reported
				return v, true
			default:
				return "", false
			}
		}
	}
}

// giveBack reports the verdict, and tries again until the step is taken. A lease counts once, so a repeat changes
// nothing. After a few failures the machine of this pod takes the step, so the loop ends.
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
