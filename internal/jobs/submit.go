package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// Submission is a job as a client sends it.
type Submission struct {
	User           string
	Priority       llm.Priority
	Body           []byte // must have passed llm.ParsePayload, without stream
	IdempotencyKey string // may be empty
	Traceparent    string // may be empty
}

// Submit takes a job in and returns its ID. The same IdempotencyKey of the same user gives the same job while that is
// known: fresh is false then. The error is a *outcome.Rejected.
func (s *Service) Submit(ctx context.Context, sub Submission) (id string, fresh bool, err error) {
	class := sub.Priority.String()
	defer func() { s.metrics.submitted(class, fresh, err) }()
	print, key := fingerprint(sub.Body), ""
	if sub.IdempotencyKey != "" {
		key = fingerprint([]byte(sub.IdempotencyKey))
	}
	var said []string
	err = s.redis.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		said, err = s.store.texts(ctx, r, submitScript, uuid.Must(uuid.NewV7()).String(), sub.User, class, sub.Body, print, key,
			sub.IdempotencyKey, sub.Traceparent, s.cfg.UserMax, (s.cfg.MaxAge + s.cfg.Retention).Milliseconds())
		return err
	})
	if err != nil {
		return "", false, unavailable(err)
	}
	switch said[0] {
	case "mismatch":
		return "", false, &outcome.Rejected{Layer: "jobs", Reason: IdempotencyMismatch}
	case "full":
		return "", false, &outcome.Rejected{Layer: "jobs", Reason: TooMany, RetryAfter: 5 * time.Second,
			Detail: fmt.Sprintf("You have %d jobs that are not done, which is the limit. Wait for some, or cancel some.", s.cfg.UserMax)}
	case "started":
		return said[1], false, nil
	}
	// The record is the promise. Should the engine not take the job now, the keeper brings it soon.
	if err := s.enqueue(ctx, said[1], said[2], said[3]); err != nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "a job waits in the outbox", slog.String("job", said[1]), slog.Any("error", err))
	}
	return said[1], said[0] == "new", nil
}

// enqueue gives a turn of a job to the engine. It may be done twice: the engine knows a turn by its name.
func (s *Service) enqueue(ctx context.Context, id, class, turn string) error {
	_, err := s.engine.EnqueueContext(ctx, asynq.NewTask(taskType, []byte(id+" "+turn)),
		asynq.TaskID(taskID(id, turn)), asynq.Queue(s.queue(class, turn)), asynq.MaxRetry(maxRetry), asynq.Timeout(forever))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

const (
	taskType = "llm"
	maxRetry = 1 << 20 // attempts are counted in the record
)

func taskID(id, turn string) string {
	if turn == "0" {
		return id
	}
	return id + "." + turn
}

// Cancel ends a job of the user's, also while its vendor call is under way. Cancelling twice is no mistake; a job that has
// succeeded or failed stays as it is.
func (s *Service) Cancel(ctx context.Context, user, id string) error {
	var said []string
	err := s.redis.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		said, err = s.store.texts(ctx, r, cancelScript, id, user, s.cfg.Retention.Milliseconds())
		return err
	})
	switch {
	case err != nil:
		return unavailable(err)
	case len(said) == 0:
		return &outcome.Rejected{Layer: "jobs", Reason: NotFound}
	}
	state, class, turn := State(said[0]), said[1], said[2]
	switch state {
	case Queued:
		s.metrics.finished(class, Cancelled)
		// The record is gone from the queue; the engine would find that out by itself.
		err = s.inspect.DeleteTask(s.queue(class, turn), taskID(id, turn))
	case Running:
		s.metrics.finished(class, Cancelled)
		err = s.inspect.CancelProcessing(taskID(id, turn))
	case Succeeded, Failed:
		return &outcome.Rejected{Layer: "jobs", Reason: Ended}
	case Cancelled:
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "the engine does not know a cancelled job", slog.String("job", id), slog.Any("error", err))
	}
	return nil
}

// unavailable is what every failure of Redis means to a client.
func unavailable(err error) error {
	return &outcome.Rejected{Layer: "jobs", Reason: Unavailable, RetryAfter: 2 * time.Second, Err: err}
}

// fingerprint stands for what had better not be compared, or kept, at full length.
func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
