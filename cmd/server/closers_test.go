package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestClosers closes three things, of which the second hangs. The others must be closed too, in reverse order, each
// with its whole budget.
func TestClosers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var closed []string
		var left time.Duration
		c := &closers{log: slog.New(slog.DiscardHandler)}
		c.add("first", time.Second, func(ctx context.Context) error {
			closed = append(closed, "first")
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return errors.New("broken")
		})
		hang := make(chan struct{})
		c.add("second", time.Minute, func(context.Context) error { <-hang; return nil })
		c.add("third", time.Second, func(context.Context) error { closed = append(closed, "third"); return nil })
		start := time.Now()
		err := c.closeAll()
		close(hang)
		if !slices.Equal(closed, []string{"third", "first"}) || left != time.Second {
			t.Errorf("closed %q, with %v left for the first", closed, left)
		}
		if time.Since(start) != time.Minute {
			t.Errorf("took %v", time.Since(start))
		}
		for _, want := range []string{"closing first: broken", "closing second: not done within 1m0s"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("no %q in %v", want, err)
			}
		}
		if c.closeAll() != nil {
			t.Error("something was closed twice")
		}
	})
}
