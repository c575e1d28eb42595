package breaker

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// listen receives the changes that other pods make. When the connection breaks the client library subscribes again.
// Messages may have been missed by then, so the state is read.
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

// receive takes over a message. A message with an old generation may be late, or come from a Redis whose generations
// went back: then the state is read.
func (s *syncer) receive(message string) {
	r, err := parseMessage(message)
	if err != nil {
		s.log.Warn("breaker: a message cannot be read", slog.String("message", strconv.Quote(message)))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch snap := s.b.snapshot.Load(); {
	case r.gen == snap.gen && !s.localMode: // known already: from this pod's own step
	case r.gen < snap.gen || s.localMode:
		s.nudge()
	default:
		s.adoptLocked(time.Now(), r, nil, true)
	}
}
