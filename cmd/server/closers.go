package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// closers is a stack of what has to be closed: the last opened is closed first. Each entry has its own time budget, so
// that an entry that hangs does not use the time of the others.
type closers struct {
	log     *slog.Logger
	entries []closer
}

type closer struct {
	name   string
	budget time.Duration
	close  func(context.Context) error
	lax    bool // a failure is logged and is no failure of the program
}

func (c *closers) add(name string, budget time.Duration, f func(context.Context) error) {
	c.entries = append(c.entries, closer{name: name, budget: budget, close: f})
}

// addLax is add for what the program does not depend on: a failure is logged and does not change the exit status.
func (c *closers) addLax(name string, budget time.Duration, f func(context.Context) error) {
	c.entries = append(c.entries, closer{name: name, budget: budget, close: f, lax: true})
}

// closeAll closes everything and returns the errors, joined. It does not wait longer than the budget of an entry: the
// process is about to end. It makes its own context, because the program's context has ended before.
func (c *closers) closeAll() error {
	var errs []error
	for n := len(c.entries); n > 0; n = len(c.entries) {
		last := c.entries[n-1]
		c.entries = c.entries[:n-1]
		start := time.Now()
		err := last.run()
		switch {
		case err != nil && last.lax:
			c.log.Warn("closing failed", slog.String("what", last.name), slog.Any("error", err))
		case err != nil:
			errs = append(errs, fmt.Errorf("closing %s: %w", last.name, err))
		}
		c.log.Debug("closed", slog.String("what", last.name), slog.Int64("took_ms", time.Since(start).Milliseconds()))
	}
	return errors.Join(errs...)
}

func (c closer) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.budget)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.close(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not done within %v", c.budget)
	}
}

// withoutContext makes a closer of a func that takes no context.
func withoutContext(f func() error) func(context.Context) error {
	return func(context.Context) error { return f() }
}
