package jobs

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"strconv"
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
	//go:embed lua/memory.lua
	memoryLua string
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
	memoryScript = redis.NewScript(commonLua + memoryLua)
)

// store runs the scripts on the records below root.
type store struct{ root string }

func (s store) job(id string) string   { return s.root + ":job:" + id }
func (s store) all(user string) string { return s.root + ":all:" + user }
func (s store) outbox() string         { return s.root + ":outbox" }

// args are what a script is given, by name.
type args map[string]any

// list is the form in which scripts get them: names and values by turns.
func (a args) list() []any {
	list := make([]any, 0, 2*len(a))
	for name, value := range a {
		list = append(list, name, value)
	}
	return list
}

// reply is what a script returned, by name.
type reply map[string]any

var errReply = errors.New("a script returned what is no list of names and values")

// replyOf reads names and values by turns.
func replyOf(value any) (reply, error) {
	list, ok := value.([]any)
	if !ok || len(list)%2 != 0 {
		return nil, errReply
	}
	r := make(reply, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		name, ok := list[i].(string)
		if !ok {
			return nil, errReply
		}
		r[name] = list[i+1]
	}
	return r, nil
}

// text returns a value; "" when there is none.
func (r reply) text(name string) string {
	s, _ := r[name].(string)
	return s
}

// number returns a whole number, which Redis may send as text; 0 when there is none.
func (r reply) number(name string) int64 {
	if n, ok := r[name].(int64); ok {
		return n
	}
	n, _ := strconv.ParseInt(r.text(name), 10, 64)
	return n
}

// time returns a moment given in microseconds; the zero time when there is none.
func (r reply) time(name string) time.Time {
	us := r.number(name)
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// replies returns the values of a list.
func (r reply) replies(name string) []reply {
	list, _ := r[name].([]any)
	all := make([]reply, 0, len(list))
	for _, value := range list {
		if one, err := replyOf(value); err == nil {
			all = append(all, one)
		}
	}
	return all
}

// run runs a script. The reply is empty when the script found nothing.
func (s store) run(ctx context.Context, r redis.Scripter, script *redis.Script, a args) (reply, error) {
	value, err := script.Run(ctx, r, []string{s.root}, a.list()...).Result()
	if err != nil {
		return nil, err
	}
	return replyOf(value)
}

// claimed is a job that this pod works on.
type claimed struct {
	task

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
func (s store) claim(ctx context.Context, r redis.Scripter, t task, pod string, lease time.Duration) (*claimed, error) {
	f, err := s.run(ctx, r, claimScript, args{"id": t.id, "generation": t.generation, "pod": pod,
		"lease": lease.Microseconds()})
	if err != nil || len(f) == 0 {
		return nil, err
	}
	return &claimed{
		task: t, user: f.text("user"), class: f.text("class"), body: []byte(f.text("body")), key: f.text("client"),
		trace:    f.text("trace"),
		failures: int(f.number("failures")), created: f.time("created"), started: f.time("started"),
	}, nil
}

// The ways to leave a job, and what came of it.
const (
	leaveRetry = "retry" // the attempt failed, another is due
	leaveWait  = "wait"  // the operator has to mend something
	leaveBack  = "back"  // not done; any worker may take it
	leaveLost  = "lost"  // the answer could not be written down

	leftDone    = "done"
	leftDropped = "dropped" // ended without its answer, for which there is no memory
	leftStale   = "stale"   // the job was not this pod's any more
)

// leave reports how a run ended.
func (s store) leave(ctx context.Context, r redis.Scripter, j *claimed, pod, what string, more args) (outcome string,
	err error) {
	all := args{"id": j.id, "generation": j.generation, "pod": pod, "what": what}
	maps.Copy(all, more)
	said, err := s.run(ctx, r, leaveScript, all)
	return said.text("outcome"), err
}
