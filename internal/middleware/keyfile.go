package middleware

import (
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/follow"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Keys knows the owners of the API keys. It holds SHA-256 hashes only, from a file with one line for each key:
//
//	<sha256 of the key, in hex> <user> <tier> [expires=<date>] [# note]
//
// Empty lines and everything from # on are skipped. The file is followed: its good lines are in force soon after it
// changes, so that a key whose line was removed is refused even when another line has a mistake; only the key of the
// bad line is lost. A file that is missing, or without one good line, changes nothing: it is rather a mistake than
// the wish to refuse every client. Either is logged as an error, counted, and told by Trouble. Keys is safe for
// concurrent use and must be closed.
type Keys struct {
	*follow.File // Trouble and Close

	tiers    map[string]int
	own      keyTable // in force beside those of the file
	table    atomic.Pointer[keyTable]
	badLines atomic.Int64
}

// NewKeys reads the file at path and follows it until Close. Every tier in it must be in tiers. At this point a file
// with a bad line is an error, which names every bad line. The lines of own are in force whatever the file says: keys
// that the service itself calls with.
func NewKeys(path string, tiers map[string]int, log *slog.Logger, reg prometheus.Registerer,
	own ...string) (*Keys, error) {
	k := &Keys{tiers: tiers}
	var err error
	if k.own, err = ownKeys(own, tiers); err != nil {
		return nil, err
	}
	if k.File, err = follow.Open(follow.Config{
		Path: path, What: "API keys", Metric: "llm_api_keys_stale_seconds", Take: k.take,
		Detail: func() slog.Attr { return slog.Int("keys", len(*k.table.Load())) },
	}, log, reg); err != nil {
		return nil, err
	}
	if err := k.register(reg); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// ownKeys reads the lines of keys that are in no file.
func ownKeys(lines []string, tiers map[string]int) (keyTable, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	table, errs := parseKeys(strings.Join(lines, "\n"), tiers)
	return table, errors.Join(errs...)
}

// register exports how many keys are in force, and how many lines are wrong.
func (k *Keys) register(reg prometheus.Registerer) error {
	return errors.Join(
		reg.Register(telemetry.Gauge("llm_api_keys", "API keys in force.",
			func() float64 { return float64(len(*k.table.Load())) })),
		reg.Register(telemetry.Gauge("llm_api_keys_bad_lines", "Lines of the key file that cannot be read.",
			func() float64 { return float64(k.badLines.Load()) })),
	)
}

// take brings the good lines of the file into force, if there is one.
func (k *Keys) take(text []byte) (inForce bool, err error) {
	table, errs := parseKeys(string(text), k.tiers)
	k.badLines.Store(int64(len(errs)))
	found := len(table) > 0
	if found {
		maps.Copy(table, k.own)
		k.table.Store(&table)
	}
	return found, errors.Join(errs...)
}
