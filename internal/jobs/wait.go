package jobs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Wait looks until the job has ended, for d at most, or until ctx ends or the pod stops; then it returns the job as it
// is, like Look. Requests that wait have a pool of their own in each pod, of which a user has a part: beyond it Wait
// looks once and reports held false.
func (s *Service) Wait(ctx context.Context, user, id string, d time.Duration) (j *Job, held bool, err error) {
	leave, full := s.waits.enter(user)
	s.metrics.waits.WithLabelValues(full.String()).Inc()
	if full != hasPlace {
		j, err = s.Look(ctx, user, id)
		return j, false, err
	}
	defer leave()
	j, err = s.await(ctx, user, id, d)
	return j, true, err
}

func (s *Service) await(ctx context.Context, user, id string, d time.Duration) (*Job, error) {
	late := time.NewTimer(d)
	defer late.Stop()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		j, err := s.Look(ctx, user, id)
		if err != nil {
			return nil, err
		}
		if j.State.Final() {
			return j, nil
		}
		next := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-next.C:
			continue
		case <-late.C:
		case <-s.stopping.Done():
		case <-ctx.Done():
		}
		next.Stop()
		return s.Look(context.WithoutCancel(ctx), user, id)
	}
}

// The pauses of await: short at first, for jobs that are done in no time.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 320 * time.Millisecond
)

// place says whether a request may wait.
type place int

const (
	hasPlace place = iota
	podFull        // the pod's pool is used up
	userFull       // the user's part of it is
)

func (p place) String() string { return [...]string{"held", "pod_full", "user_full"}[p] }

// waits is the pool of requests that wait for a job.
type waits struct {
	limit, userLimit int

	mu    sync.Mutex
	all   int
	users map[string]int
}

func (w *waits) enter(user string) (leave func(), p place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.users[user] >= w.userLimit:
		return nil, userFull
	case w.all >= w.limit:
		return nil, podFull
	}
	w.all++
	w.users[user]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.users[user]--; w.users[user] == 0 {
			delete(w.users, user)
		}
	}, hasPlace
}

func (w *waits) held() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

// CountLook counts a request of the user's that looks at jobs or cancels them, over all pods. The error is a
// *outcome.Rejected.
func (s *Service) CountLook(ctx context.Context, user string) error {
	if s.cfg.Looks == 0 {
		return nil
	}
	var res *redis_rate.Result
	err := s.redis.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		res, err = redisx.AllowRate(ctx, redis_rate.NewLimiter(r), "llm:look:"+user,
			redis_rate.PerMinute(s.cfg.Looks))
		if err != nil {
			err = fmt.Errorf("counting looks at jobs: %w", err)
		}
		return err
	})
	switch {
	case err != nil:
		return unavailable(err)
	case res.Allowed == 0:
		return &outcome.Rejected{Layer: "jobs", Reason: outcome.UserRateLimited, RetryAfter: res.RetryAfter,
			Detail: "This key has looked at jobs too often. Look less often, or let the service wait with Prefer: " +
				"wait=N."}
	}
	return nil
}
