package jobs

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/common.lua
var commonLua string

var (
	//go:embed lua/submit.lua
	submitLua string
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/leave.lua
	leaveLua string
	//go:embed lua/cancel.lua
	cancelLua string
	//go:embed lua/look.lua
	lookLua string
	//go:embed lua/beat.lua
	beatLua string
	//go:embed lua/forget.lua
	forgetLua string
)

// The scripts, each with what they share in front.
var (
	submitScript = redis.NewScript(commonLua + submitLua)
	claimScript  = redis.NewScript(commonLua + claimLua)
	leaveScript  = redis.NewScript(commonLua + leaveLua)
	cancelScript = redis.NewScript(commonLua + cancelLua)
	lookScript   = redis.NewScript(commonLua + lookLua)
	beatScript   = redis.NewScript(commonLua + beatLua)
	forgetScript = redis.NewScript(commonLua + forgetLua)
)

// store runs the scripts on the records below root.
type store struct{ root string }

func (s store) job(id string) string   { return s.root + ":job:" + id }
func (s store) all(user string) string { return s.root + ":all:" + user }
func (s store) outbox() string         { return s.root + ":outbox" }
func (s store) run(ctx context.Context, r redis.Scripter, script *redis.Script, args ...any) *redis.Cmd {
	return script.Run(ctx, r, []string{s.root}, args...)
}

// texts runs a script that returns a list of strings.
func (s store) texts(ctx context.Context, r redis.Scripter, script *redis.Script, args ...any) ([]string, error) {
	return s.run(ctx, r, script, args...).StringSlice()
}

// claimed is a job that this pod works on.
type claimed struct {
	id, turn string
	user     string
	class    string
	body     []byte
	key      string // the client's Idempotency-Key
	trace    string // the submitter's traceparent
	failures int
	created  time.Time
	started  time.Time
}

// claim returns nil when the job is not to be had.
func (s store) claim(ctx context.Context, r redis.Scripter, id, turn, pod string, lease time.Duration) (*claimed, error) {
	f, err := s.texts(ctx, r, claimScript, id, turn, pod, lease.Microseconds())
	if err != nil || len(f) == 0 {
		return nil, err
	}
	if len(f) != 8 {
		return nil, errors.New("claim.lua: an answer of another version")
	}
	return &claimed{
		id: id, turn: turn, user: f[0], class: f[1], body: []byte(f[2]), key: f[3], trace: f[4],
		failures: number(f[5]), created: instant(f[6]), started: instant(f[7]),
	}, nil
}

// leave reports false when the job was not this pod's any more.
func (s store) leave(ctx context.Context, r redis.Scripter, j *claimed, pod, what string, more ...any) (bool, error) {
	n, err := s.run(ctx, r, leaveScript, append([]any{j.id, j.turn, pod, what}, more...)...).Int()
	return n == 1, err
}
