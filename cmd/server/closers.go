package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// closers is a stack of what has to be closed: last opened, first closed. Each entry has a budget of its own, so that
// one that hangs cannot take the time of the others.
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

// addLax is add for what the program does without: what goes wrong is a line in the log and does not change the exit
// status.
func (c *closers) addLax(name string, budget time.Duration, f func(context.Context) error) {
	c.entries = append(c.entries, closer{name: name, budget: budget, close: f, lax: true})
}

// closeAll closes everything and returns what went wrong, joined. What overruns its budget is left behind: the process
// is about to end. It runs after the program's context has ended, so it starts from one of its own.
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

// now makes a closer of a func that takes no context.
func now(f func() error) func(context.Context) error {
	return func(context.Context) error { return f() }
}
