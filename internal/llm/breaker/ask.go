package breaker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"

	"github.com/spillway-dev/spillway/internal/redisx"
)

// When Redis has granted the lease of the probe and its answer is lost, no pod knows the number of the lease, and no
// pod could probe until it ends. So each question has a name. A question without an answer is asked again with the same
// name and gets the same lease: by the next call of this pod, or in the background, which gives the lease back. One of
// the two asks at a time, see Breaker.asking.

// askLease asks for the lease of the probe for a call.
func (s *syncer) askLease(ctx context.Context) (granted reply) {
	granted, taken := s.step(ctx, s.question())
	if !taken {
		s.nudge() // which reclaims the lease, also when this pod has no further calls
	}
	return granted
}

// reclaim asks for the answer that was lost, if one was, and gives back the lease.
func (s *syncer) reclaim(ctx context.Context) {
	if !s.lostAnswer() || !s.b.asking.CompareAndSwap(false, true) {
		return
	}
	defer s.b.asking.Store(false)
	if granted, _ := s.step(ctx, s.question()); granted.lease != noLease {
		s.giveBack(request{op: opEnd, verdict: freed, gen: granted.gen, lease: granted.lease})
	}
}

// question is the one whose answer was lost, or a new one.
func (s *syncer) question() request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return request{op: opProbe, asker: cmp.Or(s.unanswered, rand.Text())}
}

// lostAnswer reports whether Redis may have granted a lease that this pod does not know, and can be asked for it.
func (s *syncer) lostAnswer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unanswered != "" && !s.localMode
}

// answeredLocked notes whether a question for the lease was answered. One that was not sent grants nothing.
func (s *syncer) answeredLocked(r request, err error) {
	switch {
	case r.op != opProbe:
	case err == nil:
		s.unanswered = ""
	case !errors.Is(err, redisx.ErrAway):
		s.unanswered = r.asker
	}
}
