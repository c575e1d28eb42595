package redisx

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// What background work may take. It moves whole answers, and a command of its that was given up too early would leave work
// half handed over.
const (
	patientTimeout = 2 * time.Second
	troublePause   = 250 * time.Millisecond // after a failure, so that loops which try again do not spin
)

// Patient opens a client of its own for background work: connections that no request waits for, longer limits, and a pause
// after every failure. The caller closes it. Redis being away is no error here; like New it does not dial.
func (c *Client) Patient() (redis.UniversalClient, error) {
	o, err := c.cfg.options()
	if err != nil {
		return nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patientTimeout, patientTimeout, patientTimeout, patientTimeout
	o.MaxRedirects = 3 // with MaxRetries -1 these are a Cluster's redirects alone
	rdb := redis.NewUniversalClient(o)
	rdb.AddHook(pausing{c.Away})
	return rdb, nil
}

// pausing slows down whoever meets trouble, and spares a Redis that is away.
type pausing struct{ away func() bool }

func (pausing) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p pausing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if p.away() {
			pause(ctx)
			if p.away() {
				cmd.SetErr(ErrAway)
				return ErrAway
			}
		}
		err := next(ctx, cmd)
		if isTrouble(err) {
			pause(ctx)
		}
		return err
	}
}

func (p pausing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if isTrouble(err) {
			pause(ctx)
		}
		return err
	}
}

func pause(ctx context.Context) {
	timer := time.NewTimer(troublePause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
