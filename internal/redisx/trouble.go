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

// errBudget is the cause when a connection could not be had within the budget.
var errBudget = fmt.Errorf("redis: no connection within the budget: %w", context.DeadlineExceeded)

// companionError is what all but one of the callers of a shared round trip get when it fails. It is trouble for each of
// them, but the guard counts the one: a lost connection must not count as often as it had commands on it.
type companionError struct{ error }

func (c *companionError) Unwrap() error { return c.error }

// unfit are the beginnings of replies of a Redis that answers but cannot serve. NOPERM is not among them: it is about
// one command or key, so the probe might pass where requests do not, and Redis would come and go without end. It counts
// as refused. A full Redis (OOM) serves all but submissions: see memoryAware.
var unfit = []string{
	"LOADING ", "READONLY ", "CLUSTERDOWN ", "MASTERDOWN ", "TRYAGAIN ", "NOREPLICAS ", "MISCONF ", "BUSY ",
	"MOVED ", "ASK ", "NOAUTH ", "WRONGPASS ", "ERR max number of clients reached",
	// A Redis that asks for a password says NOAUTH to small commands. To one with many or long arguments it says this,
	// and closes the connection.
	"ERR Protocol error: unauthenticated ", "ERR AUTH ", "ERR invalid password",
}

// isTrouble reports whether err speaks against Redis: no answer in time, no connection, or a reply that says it cannot
// serve. Other replies, nil among them, are answers.
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

// answers are the beginnings of error replies with which scripts say what they found.
var answers = []string{"NOSCRIPT ", "NOT FOUND", "ERR NOT FOUND"}

// isRefusal reports whether err is the reply of a Redis in good health that did not do what it was asked to.
func isRefusal(err error) bool {
	reply, ok := errors.AsType[redis.Error](err)
	if !ok || isTrouble(err) || errors.Is(err, redis.Nil) {
		return false
	}
	return !slices.ContainsFunc(answers, func(beginning string) bool {
		return strings.HasPrefix(reply.Error(),
			beginning)
	})
}
