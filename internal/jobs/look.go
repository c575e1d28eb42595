package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// State is where a job stands.
type State string

// The states. The last three are final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// States are all of them.
var States = []State{Queued, Running, Succeeded, Failed, Cancelled}

// Final tells whether the job will not change any more.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Known tells whether s is one of them.
func (s State) Known() bool { return slices.Contains(States, s) }

// Job is what its owner may see of a job.
type Job struct {
	ID       string
	State    State
	Priority string
	Before   int // jobs that stand before it, about: the queues are weighted, not strict; 0 unless queued
	Failures int // attempts that failed
	Created  time.Time
	Started  time.Time // the last time; zero before
	Ended    time.Time // zero before

	Status      int    // that a synchronous call would have had; 0 before
	ContentType string // of Answer
	Answer      []byte // the vendor's; read by Look and Wait alone, and only of a job that has one
	Problem     []byte // why it failed; empty when Answer says so
}

// Look shows a job of the user's. The error is a *outcome.Rejected.
func (s *Service) Look(ctx context.Context, user, id string) (*Job, error) {
	j, err := s.look(ctx, user, id)
	if err != nil {
		return nil, err
	}
	return j, s.answer(ctx, j)
}

func (s *Service) look(ctx context.Context, user, id string) (*Job, error) {
	var f []string
	err := s.redis.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		f, err = s.store.texts(ctx, r, lookScript, id, user)
		return err
	})
	switch {
	case err != nil:
		return nil, unavailable(err)
	case len(f) == 0:
		return nil, &outcome.Rejected{Layer: "jobs", Reason: NotFound}
	}
	return jobOf(id, f), nil
}

// jobOf reads what look.lua returns.
func jobOf(id string, f []string) *Job {
	return &Job{
		ID: id, State: State(f[1]), Priority: f[2], Created: instant(f[3]), Started: instant(f[4]), Ended: instant(f[5]),
		Failures: number(f[6]), Status: number(f[7]), ContentType: f[8], Problem: []byte(f[9]), Before: number(f[10]),
	}
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

// Wait looks until the job has ended, for d at most, or until ctx ends; then it returns the job as it is.
func (s *Service) Wait(ctx context.Context, user, id string, d time.Duration) (*Job, error) {
	late := time.NewTimer(d)
	defer late.Stop()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		j, err := s.look(ctx, user, id)
		if err != nil {
			return nil, err
		}
		if j.State.Final() {
			return j, s.answer(ctx, j)
		}
		next := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-next.C:
			continue
		case <-late.C:
		case <-ctx.Done():
		}
		next.Stop()
		return s.Look(context.WithoutCancel(ctx), user, id)
	}
}

// The pauses of Wait: short at first, for jobs that are done in no time.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 320 * time.Millisecond
)

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
				cmds[i] = lookScript.Eval(ctx, p, []string{s.store.root}, id, user)
			}
			return nil
		})
		if err != nil {
			return nil, unavailable(err)
		}
		for i, cmd := range cmds {
			f, err := cmd.StringSlice()
			if err != nil || len(f) == 0 || state != "" && State(f[1]) != state {
				continue
			}
			list = append(list, jobOf(some[i], f))
			if len(list) == limit {
				return list, nil
			}
		}
	}
	return list, nil
}

// instant reads microseconds; "" is the zero time.
func instant(s string) time.Time {
	us, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
