package redisx

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// memoryAware is Redis for work that must go on when Redis's memory is used up (maxmemory with noeviction). Redis then
// refuses every command that may take memory, so also the claim and the end of a job, which free some, and the few
// bytes of a limit. A script that has written already may go on. So what Redis refuses for want of memory is sent once
// more, behind a write that takes none. This repeats nothing: the refusal says that the first attempt wrote nothing.
// What may take much memory (a submission, the result of a job) asks with redis.pcall in its script and gets the
// refusal as a value.
//
// In good times it costs nothing. The flag allow-oom of a script would do the same, but only from Redis 7 on.
type memoryAware struct {
	redis.UniversalClient

	full func(error) // told of every command that Redis refused for want of memory
}

// writeFirst is a write that changes nothing. It names only KEYS[1], so that it stays on the node of a Cluster on which
// the script is; the type of the value there does not matter.
const writeFirst = "redis.pcall('HDEL', KEYS[1], 'no-such-field')\n"

// plainCommand runs the command in ARGV.
const plainCommand = "return redis.call(unpack(ARGV))"

// noScript makes redis.Script send the text of a script, which Eval then can put behind writeFirst.
const noScript = replyError("NOSCRIPT Redis has no memory left: send the text")

// replyError is an error in the form of those that Redis sends.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError marks a reply of Redis, as go-redis wants it.
func (replyError) RedisError() {}

// isFull reports whether Redis refused a command because its memory is used up. Before version 7 the reply to a script
// had the words in its middle.
func isFull(err error) bool {
	return err != nil && strings.Contains(err.Error(), "OOM command not allowed")
}

// EvalSha runs a script that Redis has.
func (m *memoryAware) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	cmd := m.UniversalClient.EvalSha(ctx, sha, keys, args...)
	if isFull(cmd.Err()) && len(keys) > 0 {
		cmd.SetErr(noScript)
	}
	return cmd
}

// Eval runs a script.
func (m *memoryAware) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	cmd := m.UniversalClient.Eval(ctx, script, keys, args...)
	if isFull(cmd.Err()) && len(keys) > 0 {
		return m.behindWrite(ctx, cmd.Err(), script, keys, args...)
	}
	return cmd
}

func (m *memoryAware) behindWrite(ctx context.Context, refusal error, script string, keys []string,
	args ...any) *redis.Cmd {
	m.full(refusal)
	return m.UniversalClient.Eval(ctx, writeFirst+script, keys, args...)
}

// The plain commands with which the job engine takes memory.

// SAdd adds members to a set.
func (m *memoryAware) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	return m.again(ctx, m.UniversalClient.SAdd(ctx, key, members...), key)
}

// ZAdd adds members to a sorted set.
func (m *memoryAware) ZAdd(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	return m.again(ctx, m.UniversalClient.ZAdd(ctx, key, members...), key)
}

// ZAddXX changes the scores of members that a sorted set has.
func (m *memoryAware) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	return m.again(ctx, m.UniversalClient.ZAddXX(ctx, key, members...), key)
}

// again sends cmd once more if Redis had no memory for it.
func (m *memoryAware) again(ctx context.Context, cmd *redis.IntCmd, key string) *redis.IntCmd {
	if !isFull(cmd.Err()) {
		return cmd
	}
	n, err := m.behindWrite(ctx, cmd.Err(), plainCommand, []string{key}, cmd.Args()...).Int64()
	cmd.SetVal(n)
	cmd.SetErr(err)
	return cmd
}
