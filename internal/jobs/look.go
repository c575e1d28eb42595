package jobs

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Look shows a job of the user's, without the vendor's answer. The error is a *outcome.Rejected.
func (s *Service) Look(ctx context.Context, user, id string) (*Job, error) {
	var f reply
	err := s.redis.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		f, err = s.store.run(ctx, r, lookScript, args{"id": id, "user": user})
		return err
	})
	switch {
	case err != nil:
		return nil, unavailable(err)
	case len(f) == 0:
		return nil, &outcome.Rejected{Layer: "jobs", Reason: NotFound}
	}
	return s.jobOf(id, f), nil
}

// ReadAnswer adds the vendor's answer to a job that has one. The answer may be large, and it comes in one reply: the
// caller first makes room for j.Size bytes. The error is a *outcome.Rejected, or the cause of ctx when that has ended.
func (s *Service) ReadAnswer(ctx context.Context, j *Job) error {
	answer, err := s.patient.HGet(ctx, s.store.job(j.ID), "answer").Bytes()
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil: // also when it is gone since the caller looked: another look tells
		return unavailable(err)
	}
	j.Answer = answer
	return nil
}

// List shows up to limit jobs of the user's, the newest first, without answers; only those in state unless that is "".
func (s *Service) List(ctx context.Context, user string, state State, limit int) ([]*Job, error) {
	ids, err := s.patient.ZRevRange(ctx, s.store.all(user), 0, -1).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	var list []*Job
	for some := range slices.Chunk(ids, 100) {
		cmds := make([]*redis.Cmd, len(some))
		_, err := s.patient.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, id := range some {
				cmds[i] = lookScript.Eval(ctx, p, []string{s.store.root}, args{"id": id, "user": user}.list()...)
			}
			return nil
		})
		if err != nil {
			return nil, unavailable(err)
		}
		for i, cmd := range cmds {
			f, err := replyOf(cmd.Val())
			if err != nil || len(f) == 0 || state != "" && State(f.text("state")) != state {
				continue
			}
			list = append(list, s.jobOf(some[i], f))
			if len(list) == limit {
				return list, nil
			}
		}
	}
	return list, nil
}
