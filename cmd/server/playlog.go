package main

import (
	"context"
	"log/slog"
	"strings"
)

// playUser begins the names of the users of the page's load.
const playUser = "live-page-"

// playLog leaves out the lines of requests that the page's load made. They would fill the log, two hundred a second,
// with what the page shows. Errors of the service stay.
type playLog struct{ slog.Handler }

func (p playLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "request" && r.Level < slog.LevelError && ofPlay(r) {
		return nil
	}
	return p.Handler.Handle(ctx, r)
}

// ofPlay reports whether a line is of a user of the load. Its attributes are one group without a name.
func ofPlay(r slog.Record) (is bool) {
	var look func(a slog.Attr) bool
	look = func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindGroup {
			for _, one := range a.Value.Group() {
				look(one)
			}
		} else if a.Key == "user" {
			is = is || strings.HasPrefix(a.Value.String(), playUser)
		}
		return !is
	}
	r.Attrs(look)
	return is
}

// WithAttrs and WithGroup keep the handler.
func (p playLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return playLog{p.Handler.WithAttrs(attrs)}
}
func (p playLog) WithGroup(name string) slog.Handler { return playLog{p.Handler.WithGroup(name)} }
