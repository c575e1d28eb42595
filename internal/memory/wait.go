package memory

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// waiter is a share that waits for more bytes.
type waiter struct {
	share   *Share
	bytes   int64
	granted chan struct{} // closed, under mu, when the share has the bytes
}

func (b *Budget) await(ctx context.Context, w *waiter, place *list.Element) error {
	if w.share.use == Body {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, b.wait, ErrFull)
		defer cancel()
	}
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted: // granted at the same moment
		return nil
	default:
	}
	b.queues[w.share.use].Remove(place)
	b.serveLocked() // the next waiter may need fewer bytes
	return waitError(ctx)
}

// waitError returns the error of a wait that ctx has ended. When a deadline has ended it, the reason is the pod's lack
// of memory, whichever deadline it was: neither the client nor the vendor is at fault.
func waitError(ctx context.Context) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, ErrFull) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	if !errors.Is(cause, ErrFull) {
		cause = errors.Join(ErrFull, cause)
	}
	return &outcome.Rejected{Layer: layer, Reason: outcome.Overloaded, RetryAfter: time.Second, Err: cause,
		Detail: "It has no memory for further requests. Try again; another pod may have some."}
}

// logFull logs that the budget is used up, at most once a minute. Single refusals are only counted.
func (b *Budget) logFull(ctx context.Context, use Use) {
	b.mu.Lock()
	body, answer, again := b.used[Body], b.used[Answer], time.Since(b.logged) >= time.Minute
	if again {
		b.logged = time.Now()
	}
	b.mu.Unlock()
	if again {
		b.log.LogAttrs(ctx, slog.LevelWarn, "the memory budget is used up: raise the pod's memory, or add pods",
			slog.String("refused", use.String()), slog.Int64("budget_bytes", b.size),
			slog.Int64("body_bytes", body), slog.Int64("answer_bytes", answer))
	}
}
