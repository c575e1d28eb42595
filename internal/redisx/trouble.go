package redisx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrAway is returned while Redis is being skipped.
var ErrAway = errors.New("redis is away")

// errBudget is the cause when there was no connection within the budget.
var errBudget = fmt.Errorf("redis: no connection within the budget: %w", context.DeadlineExceeded)

// companionError is the error of all but one of the callers of a shared round trip that failed. The guard counts only
// the error of that one caller: a lost connection counts once, however many commands were on it.
type companionError struct{ error }

func (c *companionError) Unwrap() error { return c.error }

// unfit are the beginnings of the replies of a Redis that answers but cannot serve. NOPERM is not one of them. It is
// about one command or key: the probe could pass while requests fail, and Redis would go away and come back again and
// again. It counts as refused. A full Redis (OOM) serves everything but submissions of jobs: see memoryAware.
var unfit = []string{
	"LOADING ", "READONLY ", "CLUSTERDOWN ", "MASTERDOWN ", "TRYAGAIN ", "NOREPLICAS ", "MISCONF ", "BUSY ",
	"MOVED ", "ASK ", "NOAUTH ", "WRONGPASS ", "ERR max number of clients reached",
	// A Redis that wants a password answers small commands with NOAUTH. It answers commands with many or long
	// arguments with this reply, and closes the connection.
	"ERR Protocol error: unauthenticated ", "ERR AUTH ", "ERR invalid password",
}

// isTrouble reports whether err means that Redis cannot serve: no answer in time, no connection, or a reply in unfit.
// All other replies, nil too, are answers.
func isTrouble(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) {
		return false
	}
	if reply, ok := errors.AsType[redis.Error](err); ok {
		text := reply.Error()
		return slices.ContainsFunc(unfit, func(beginning string) bool { return strings.HasPrefix(text, beginning) })
	}
	return true
}

// answers are the beginnings of error replies that are results of scripts.
var answers = []string{"NOSCRIPT ", "NOT FOUND", "ERR NOT FOUND"}

// isRefusal reports whether err is the reply of a Redis that works, but did not run the command.
func isRefusal(err error) bool {
	reply, ok := errors.AsType[redis.Error](err)
	if !ok || isTrouble(err) || errors.Is(err, redis.Nil) {
		return false
	}
	text := reply.Error()
	return !slices.ContainsFunc(answers, func(beginning string) bool { return strings.HasPrefix(text, beginning) })
}
