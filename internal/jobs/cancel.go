package jobs

import (
	"context"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Cancel ends a job of the user's, also while its vendor call is under way. Cancelling twice is no mistake; a job that
// has ended in another way stays as it is.
func (s *Service) Cancel(ctx context.Context, user, id string) error {
	var said reply
	err := s.redis.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		said, err = s.store.run(ctx, r, cancelScript,
			args{"id": id, "user": user, "retention": s.cfg.Retention.Milliseconds(), "overhead": overhead})
		return err
	})
	switch {
	case err != nil:
		return unavailable(err)
	case len(said) == 0:
		return &outcome.Rejected{Layer: "jobs", Reason: NotFound}
	}
	class, t := said.text("class"), task{id, said.text("generation")}
	switch State(said.text("state")) {
	case Queued:
		s.metrics.finished(class, Cancelled)
		// The record says it already; the engine would find out by itself.
		err = s.inspect.DeleteTask(s.queue(class, t), t.name())
	case Running:
		s.metrics.finished(class, Cancelled)
		err = s.inspect.CancelProcessing(t.name())
	case Succeeded, Failed, Poisoned:
		return &outcome.Rejected{Layer: "jobs", Reason: Ended}
	case Cancelled:
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "the engine does not know a cancelled job", slog.String("job", id),
			slog.Any("error", err))
	}
	return nil
}
