package redisx

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// memoryAware is a client for work that must go on when Redis's memory is used up (maxmemory with noeviction). A full
// Redis refuses every command that may take memory: also the claim and the end of a job, which free memory, and the few
// bytes of a limit. But a script that has already written something may go on writing. So a command that Redis refuses
// for lack of memory is sent once more, behind a write that takes no memory. Nothing is done twice: the refusal means
// that the first attempt wrote nothing. Commands that may take much memory (a submission, the result of a job) use
// redis.pcall in their scripts and get the refusal as a value.
//
// While Redis has memory this costs nothing. The script flag allow-oom would do the same, but only from Redis 7 on.
type memoryAware struct {
	redis.UniversalClient

	full func(error) // called for every command that Redis refused for lack of memory
}

// writeFirst is a write that changes nothing, whatever type the key has. It uses only KEYS[1], so that it stays on the
// script's node of a Cluster.
const writeFirst = "redis.pcall('HDEL', KEYS[1], 'no-such-field')\n"

// plainCommand runs the command in ARGV.
const plainCommand = "return redis.call(unpack(ARGV))"

// noScript makes redis.Script send the text of a script. Eval can then put writeFirst before it.
const noScript = replyError("NOSCRIPT Redis has no memory left: send the text")

// replyError is an error reply as Redis sends it.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError marks a reply of Redis for go-redis.
func (replyError) RedisError() {}

// isFull reports whether Redis refused a command because its memory is used up. Before version 7 the text stands in the
// middle of the reply to a script.
func isFull(err error) bool {
	return err != nil && strings.Contains(err.Error(), "OOM command not allowed")
}

// EvalSha runs a script that Redis has stored.
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

// The commands other than scripts with which the job engine takes memory.

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
