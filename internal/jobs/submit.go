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
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
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
	keyHash := ""
	if sub.IdempotencyKey != "" {
		keyHash = fingerprint([]byte(sub.IdempotencyKey))
	}
	all, user := s.memory.limits()
	a := args{
		"id": uuid.Must(uuid.NewV7()).String(), "user": sub.User, "class": class, "body": sub.Body,
		"fingerprint": fingerprint(sub.Body),
		"keyhash":     keyHash, "key": sub.IdempotencyKey, "trace": sub.Traceparent,
		"open": s.cfg.UserMax, "bytes": all, "user_bytes": user, "overhead": overhead,
		"ttl": (s.cfg.MaxAge + s.cfg.Retention).Milliseconds(),
	}
	said, err := s.take(ctx, a, len(sub.Body))
	if err != nil {
		return "", false, unavailable(err)
	}
	t, class := task{said.text("id"), said.text("generation")}, said.text("class")
	switch said.text("outcome") {
	case "new":
		fresh = true
	case "known":
	case "started":
		return t.id, false, nil
	default:
		return "", false, s.refusal(said)
	}
	// The record is the promise. If the engine cannot take the job now, the keeper brings it soon.
	if err := s.enqueue(ctx, t, class); err != nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "a job waits in the outbox", slog.String("job", t.id),
			slog.Any("error", err))
	}
	return t.id, fresh, nil
}

// A body of more than largeBody bytes does not share a round trip with the limits of other requests, whose budget is
// tens of milliseconds: 64 KiB take half a millisecond at 1 Gbit/s, 8 MiB take 70. At most largeAtOnce are sent at a
// time, so that they leave connections to the work in the background, and each is sent within the time limit.
const (
	largeBody   = 64 << 10
	largeAtOnce = 4
)

// take runs submit.lua. A large body goes over the connections of the background work. Their time limits are longer,
// and a submission that takes long raises no doubt about Redis.
func (s *Service) take(ctx context.Context, a args, size int) (said reply, err error) {
	run := func(ctx context.Context, r redis.Cmdable) (err error) {
		said, err = s.store.run(ctx, r, submitScript, a)
		return err
	}
	if size <= largeBody {
		err = s.redis.Do(ctx, run)
		return said, err
	}
	select {
	case s.large <- struct{}{}:
		defer func() { <-s.large }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s.redis.Away() {
		return nil, redisx.ErrAway
	}
	err = run(context.WithoutCancel(ctx), s.patient) // as Do: the reply says whether the job was taken
	return said, err
}

// refusal is why submit.lua did not take a job.
func (s *Service) refusal(said reply) error {
	all, user := s.memory.limits()
	switch said.text("outcome") {
	case "mismatch":
		return &outcome.Rejected{Layer: "jobs", Reason: IdempotencyMismatch}
	case "full":
		return &outcome.Rejected{Layer: "jobs", Reason: TooMany, RetryAfter: 5 * time.Second,
			Detail: fmt.Sprintf("You have %d jobs that are not done, which is the limit. "+
				"Wait for some, or cancel some.", s.cfg.UserMax)}
	case "user_bytes":
		return &outcome.Rejected{Layer: "jobs", Reason: TooManyBytes, RetryAfter: time.Minute,
			Detail: fmt.Sprintf("Your jobs and their results may take %d bytes. Results leave %v after they were made.",
				user, s.cfg.Retention)}
	case "redis_full":
		s.redis.NoteFull(errors.New(said.text("reason")))
	}
	return &outcome.Rejected{Layer: "jobs", Reason: Full, RetryAfter: 30 * time.Second,
		Err: fmt.Errorf("all jobs and their results may take %d bytes in Redis %s", all, said.text("reason"))}
}

// unavailable is what every failure of Redis means to a client.
func unavailable(err error) error {
	return &outcome.Rejected{Layer: "jobs", Reason: Unavailable, RetryAfter: 2 * time.Second, Err: err}
}

// fingerprint stands for a text that is not compared, or kept, at full length.
func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
