package redisx

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// remindEvery is the time between two log lines about a Redis that stays away, or about commands that it refuses. The
// line has the latest reason, which may have changed: first a refused connection, later a wrong password.
const remindEvery = time.Minute

// refusals counts the commands of one kind that Redis answered and did not run. It logs a line about them once a
// minute: without it they would show only as a wrong limit or as a job that makes no progress.
type refusals struct {
	log     *slog.Logger
	what    string // the log line
	counter prometheus.Counter

	mu     sync.Mutex
	logged time.Time
	last   time.Time
	reason string
}

func (r *refusals) note(err error, attrs ...slog.Attr) {
	r.counter.Inc()
	now := time.Now()
	r.mu.Lock()
	r.last, r.reason = now, err.Error()
	due := now.Sub(r.logged) >= remindEvery
	if due {
		r.logged = now
	}
	r.mu.Unlock()
	if due {
		r.log.LogAttrs(context.Background(), slog.LevelWarn, r.what, append(attrs, slog.Any("error", err))...)
	}
}

// recent returns why Redis refused a command within the last d; "" when it did not.
func (r *refusals) recent(d time.Duration) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == "" || time.Since(r.last) > d {
		return ""
	}
	return r.reason
}
