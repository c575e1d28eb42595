package redisx

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// sharing is a client whose callers share round trips: scripts that run at the same moment are sent in one pipeline.
// Each other command has a round trip of its own.
type sharing struct {
	redis.UniversalClient

	gather Gather[*redis.Cmd]
}

// sharedTrips is the number of pipelines under way at a time.
const sharedTrips = 8

func newSharing(rdb redis.UniversalClient, pool int) *sharing {
	return &sharing{UniversalClient: rdb, gather: Gather[*redis.Cmd]{Limit: min(sharedTrips, pool)}}
}

// EvalSha runs the script whose SHA-1 digest is sha, in one round trip with scripts that run at the same moment.
func (s *sharing) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	command := make([]any, 0, 3+len(keys)+len(args))
	command = append(command, "evalsha", sha, len(keys))
	for _, key := range keys {
		command = append(command, key)
	}
	cmd := redis.NewCmd(ctx, append(command, args...)...)
	s.gather.Join(cmd, func(cmds []*redis.Cmd) { s.send(ctx, cmds) })
	return cmd
}

// send makes the round trip. Every command gets its own answer or error. When several failed together, the guard counts
// one failure.
func (s *sharing) send(ctx context.Context, cmds []*redis.Cmd) {
	if len(cmds) == 1 {
		_ = s.Process(ctx, cmds[0])
		return
	}
	pipe := s.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd)
	}
	_, _ = pipe.Exec(ctx)
	counted := false
	for _, cmd := range cmds {
		if err := cmd.Err(); isTrouble(err) {
			if counted {
				cmd.SetErr(&companionError{err})
			}
			counted = true
		}
	}
}
