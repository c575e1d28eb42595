package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

func TestTheLoadOfThePageDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(playLog{telemetry.NewLogger(&out, slog.LevelInfo).Handler()})
	line := func(level slog.Level, message, user string) {
		log.LogAttrs(t.Context(), level, message, slog.GroupAttrs("", slog.String("user", user)))
	}
	line(slog.LevelInfo, "request", playUser+"1-free")
	line(slog.LevelWarn, "request", playUser+"2-pro")
	if out.Len() > 0 {
		t.Errorf("the log has %s", &out)
	}
	line(slog.LevelError, "request", playUser+"3-pro")
	line(slog.LevelInfo, "request", "ada")
	line(slog.LevelInfo, "another", playUser+"4-pro")
	log.With(slog.Int("a", 1)).Info("no request")
	if n := strings.Count(out.String(), "\n"); n != 4 {
		t.Errorf("%d of 4 lines are in the log: %s", n, &out)
	}
}
