package breaker

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// listen takes in what other pods change. The client library subscribes again when the connection breaks; messages
// may have been missed then, so it asks for the state.
func (s *syncer) listen(ctx context.Context) {
	sub := s.rdb.Redis().Subscribe(ctx, s.channel)
	defer func() { _ = sub.Close() }()
	for events := sub.ChannelWithSubscriptions(); ; {
		select {
		case <-ctx.Done():
			return
		case event, open := <-events:
			if !open {
				return
			}
			if m, ok := event.(*redis.Message); ok {
				s.receive(m.Payload)
			} else {
				s.nudge()
			}
		}
	}
}

// receive takes in a message. One with an old generation may be late, or from a Redis whose generations went back:
// the pod asks for the state then.
func (s *syncer) receive(message string) {
	r, err := parseMessage(message)
	if err != nil {
		s.log.Warn("breaker: message not understood", slog.String("message", strconv.Quote(message)))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c := s.b.snapshot.Load(); {
	case r.gen == c.gen && !s.alone: // this pod's own step, or known from its answer
	case r.gen < c.gen || s.alone:
		s.nudge()
	default:
		s.adoptLocked(time.Now(), r, nil, true)
	}
}
