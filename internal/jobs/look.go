package jobs

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Look shows a job of the user's. The error is a *outcome.Rejected.
func (s *Service) Look(ctx context.Context, user, id string) (*Job, error) {
	j, err := s.look(ctx, user, id)
	if err != nil {
		return nil, err
	}
	return j, s.answer(ctx, j)
}

func (s *Service) look(ctx context.Context, user, id string) (*Job, error) {
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

// answer adds the vendor's answer, which may be large.
func (s *Service) answer(ctx context.Context, j *Job) error {
	if j.Status == 0 || len(j.Problem) > 0 {
		return nil
	}
	b, err := s.patient.HGet(ctx, s.store.job(j.ID), "answer").Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return unavailable(err)
	}
	j.Answer = b
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
