package main

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/llm/quota"
)

// asker books as a pod does, with a model of the quota on the real clock.
type asker struct {
	model   *quota.Model
	script  *redis.Script
	key     string
	tokens  int64
	wait    time.Duration
	settles bool
}

func newAsker(name string, cfg quota.Config, tokens int64, settles bool) (*asker, error) {
	cfg.Window, cfg.Shares = time.Minute, 1
	m, err := quota.NewModel(cfg, 5*time.Second, time.Now)
	if err != nil {
		return nil, err
	}
	return &asker{m, redis.NewScript(m.Script()), "llm:{" + name + "}:quota:1m0s", tokens, 0, settles}, nil
}

// ask makes one round trip. The next one reports what the call has used.
func (a *asker) ask(ctx context.Context, rdb redis.Cmdable) error {
	text, err := a.script.Run(ctx, rdb, []string{a.key}, a.model.Ask(a.tokens, a.wait, 0)...).Text()
	if err != nil {
		return err
	}
	b, granted, err := a.model.Answered(text, a.tokens)
	if err == nil && granted && a.settles {
		a.model.Settle(&b, true, a.tokens/2)
	}
	return err
}

// work is one kind of command that is measured. Each caller has its own state if it needs one.
type work struct {
	name   string
	caller func(i int) (func(ctx context.Context, rdb redis.Cmdable) error, error)
}

// endless is the size of a contract that the measurement does not use up.
const endless = 600_000_000

// scripts are the commands of a request.
func scripts() []work {
	booking := func(name string, cfg quota.Config, tokens int64, settles bool) work {
		return work{name, func(int) (func(context.Context, redis.Cmdable) error, error) {
			a, err := newAsker(name, cfg, tokens, settles)
			if err != nil {
				return nil, err
			}
			return a.ask, nil
		}}
	}
	return []work{
		{"user limit", func(i int) (func(context.Context, redis.Cmdable) error, error) {
			return userLimit(i), nil
		}},
		booking("quota, requests only", quota.Config{Requests: endless}, 0, false),
		booking("quota, requests only, refused", quota.Config{Requests: 100}, 0, false),
		booking("quota, with tokens and a settlement",
			quota.Config{Requests: endless, Tokens: 1000 * endless}, 500, true),
		usedUp(),
		quietPod(),
	}
}

// usedUp is the refusal of a call when all tokens were used in the last second: the script searches the whole ledger
// for the time at which there will be tokens again.
func usedUp() work {
	const name, all = "quota, tokens used up, refused", 1_000_000
	var fill sync.Once
	return work{name, func(int) (func(context.Context, redis.Cmdable) error, error) {
		a, err := newAsker(name, quota.Config{Tokens: all}, 500, false)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, rdb redis.Cmdable) error {
			fill.Do(func() {
				if err = a.ask(ctx, rdb); err == nil { // makes the state
					rdb.HIncrBy(ctx, a.key, strconv.FormatInt(time.Now().Unix(), 10), all)
					err = rdb.HIncrBy(ctx, a.key, "sum", all).Err()
				}
			})
			if err != nil {
				return err
			}
			return a.ask(ctx, rdb)
		}, nil
	}}
}

// quietPod is everything that a request costs in a pod with few requests: no two of its commands are sent together.
func quietPod() work {
	const name = "user limit, booking and settlement, each alone"
	return work{name, func(i int) (func(context.Context, redis.Cmdable) error, error) {
		a, err := newAsker(name, quota.Config{Requests: endless, Tokens: 1000 * endless}, 500, true)
		if err != nil {
			return nil, err
		}
		limit := userLimit(i)
		return func(ctx context.Context, rdb redis.Cmdable) error {
			if err := limit(ctx, rdb); err != nil {
				return err
			}
			if err := a.ask(ctx, rdb); err != nil {
				return err
			}
			args, _ := a.model.Flush(0, true)
			return a.script.Run(ctx, rdb, []string{a.key}, args...).Err()
		}, nil
	}}
}

func userLimit(i int) func(ctx context.Context, rdb redis.Cmdable) error {
	random := rand.New(rand.NewPCG(1, uint64(i)))
	return func(ctx context.Context, rdb redis.Cmdable) error {
		_, err := redis_rate.NewLimiter(rdb).Allow(ctx, "llm:user:"+strconv.Itoa(random.IntN(10_000)),
			redis_rate.PerMinute(1_000_000))
		return err
	}
}
