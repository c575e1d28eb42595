package redisx

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// sharing is Redis for callers that share round trips: scripts that are run at the same moment go in one pipeline. All
// other commands go alone.
type sharing struct {
	redis.UniversalClient

	gather Gather[*redis.Cmd]
}

// sharedTrips is the number of pipelines under way at a time.
const sharedTrips = 8

func newSharing(rdb redis.UniversalClient, pool int) *sharing {
	return &sharing{UniversalClient: rdb, gather: Gather[*redis.Cmd]{Limit: min(sharedTrips, pool)}}
}

// EvalSha runs the script that Redis knows under sha, in one round trip with those that are run at the same moment.
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

// send makes the round trip. Every command gets its own answer or error; of those that failed together the guard counts
// one.
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
