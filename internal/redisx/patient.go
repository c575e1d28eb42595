package redisx

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// Limits of background work. They are longer, because it moves whole answers, and because a command that is given up
// too early can leave a job half handed over.
const (
	patientTimeout = 2 * time.Second
	troublePause   = 250 * time.Millisecond // after a failure, so that a loop that tries again does not spin
)

// Patient returns a client for background work. It has its own connections, longer time limits, and a pause after every
// failure. Commands that Redis refuses are counted and logged with their keys. The caller closes the client. Like New,
// Patient does not dial, so it succeeds while Redis is away.
func (c *Client) Patient() (redis.UniversalClient, error) {
	o, err := c.cfg.options()
	if err != nil {
		return nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patientTimeout, patientTimeout, patientTimeout,
		patientTimeout
	o.MaxRedirects = 3 // with MaxRetries -1 this is only the number of a Cluster's redirects
	c.file.apply(o)
	rdb := c.cfg.open(o)
	rdb.AddHook(patience{away: c.Away, refused: c.guard.background.note})
	return &memoryAware{rdb, c.guard.noteFull}, nil
}

// patience slows down callers after a failure, and sends nothing to a Redis that is away.
type patience struct {
	away    func() bool
	refused func(error, ...slog.Attr)
}

func (patience) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p patience) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if p.away() {
			pauseAfterTrouble(ctx)
			if p.away() {
				cmd.SetErr(ErrAway)
				return ErrAway
			}
		}
		err := next(ctx, cmd)
		p.report(cmd, err)
		if isTrouble(err) {
			pauseAfterTrouble(ctx)
		}
		return err
	}
}

func (p patience) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			p.report(cmd, cmd.Err())
		}
		if isTrouble(err) {
			pauseAfterTrouble(ctx)
		}
		return err
	}
}

// report counts and logs a command that Redis refused. memoryAware reports refusals for lack of memory. Refusals of the
// handshake (CLIENT, HELLO) are left out, because older versions of Redis do not know all of it.
func (p patience) report(cmd redis.Cmder, err error) {
	name := cmd.Name()
	if name != "client" && name != "hello" && isRefusal(err) && !isFull(err) {
		p.refused(err, slog.String("command", name), slog.Any("keys", keysOf(cmd)))
	}
}

// keysOf returns the keys of a command: those of a script, or the single key of another command.
func keysOf(cmd redis.Cmder) []any {
	args := cmd.Args()
	switch cmd.Name() {
	case "eval", "evalsha":
		if len(args) > 3 {
			if n, ok := args[2].(int); ok && 3+n <= len(args) {
				return args[3 : 3+n]
			}
		}
	default:
		if len(args) > 1 {
			return args[1:2]
		}
	}
	return nil
}

func pauseAfterTrouble(ctx context.Context) {
	timer := time.NewTimer(troublePause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
