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

// companionError is the failure of a round trip as those see it who went along. It is trouble to them, but the guard has heard
// of it from another: one lost connection must not count as often as it had commands on it.
type companionError struct{ error }

func (c *companionError) Unwrap() error { return c.error }

// unfit are the beginnings of replies of a Redis that answers but cannot serve. NOPERM is not among them: it speaks of
// one command or key, so the probe might pass where requests do not, and Redis would come and go without end. It counts as
// refused.
var unfit = []string{
	"LOADING ", "READONLY ", "CLUSTERDOWN ", "MASTERDOWN ", "TRYAGAIN ", "NOREPLICAS ", "MISCONF ", "OOM ", "BUSY ",
	"MOVED ", "ASK ", "NOAUTH ", "WRONGPASS ", "ERR max number of clients reached",
}

// isTrouble tells whether err speaks against Redis: no answer in time, no connection, or a reply that says it cannot
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
