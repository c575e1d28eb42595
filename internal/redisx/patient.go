package redisx

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// Limits of background work. It moves whole answers, and a command that it gave up too early would leave work
// half handed over.
const (
	patientTimeout = 2 * time.Second
	troublePause   = 250 * time.Millisecond // after a failure, so that loops which try again do not spin
)

// Patient opens a client of its own for background work: connections that no request waits for, longer limits, and a
// pause after every failure. What Redis refuses is counted and logged, with the keys. The caller closes it. Redis being
// away is no error here; like New it does not dial.
func (c *Client) Patient() (redis.UniversalClient, error) {
	o, err := c.cfg.options()
	if err != nil {
		return nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patientTimeout, patientTimeout, patientTimeout,
		patientTimeout
	o.MaxRedirects = 3 // with MaxRetries -1 these are a Cluster's redirects alone
	c.file.apply(o)
	rdb := c.cfg.open(o)
	rdb.AddHook(patience{away: c.Away, refused: c.guard.background.note})
	return &memoryAware{rdb, c.guard.noteFull}, nil
}

// patience slows down callers that meet trouble, and spares a Redis that is away.
type patience struct {
	away    func() bool
	refused func(error, ...slog.Attr)
}

func (patience) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p patience) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if p.away() {
			pause(ctx)
			if p.away() {
				cmd.SetErr(ErrAway)
				return ErrAway
			}
		}
		err := next(ctx, cmd)
		p.report(cmd, err)
		if isTrouble(err) {
			pause(ctx)
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
			pause(ctx)
		}
		return err
	}
}

// report tells of a command that Redis refused. A refusal for want of memory is reported where it is mended, and older
// versions of Redis do not know all of the handshake.
func (p patience) report(cmd redis.Cmder, err error) {
	name := cmd.Name()
	if name != "client" && name != "hello" && isRefusal(err) && !isFull(err) {
		p.refused(err, slog.String("command", name), slog.Any("keys", keysOf(cmd)))
	}
}

// keysOf returns the keys that a command names: those of a script, or the one of a plain command.
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

func pause(ctx context.Context) {
	timer := time.NewTimer(troublePause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
