package middleware

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/client_golang/prometheus"
)

// Keys knows the owners of the API keys. It holds SHA-256 hashes only, from a file with one line for each key:
//
//	<sha256 of the key, in hex> <user> <tier> [expires=<date>] [# note]
//
// Empty lines and everything from # on are skipped. The file is read again when it changes, also in the way in which
// Kubernetes replaces a mounted Secret. From then on its good lines are in force, so that a key whose line was removed is
// refused even when another line has a mistake; only the key of the bad line is lost. A file that is missing, or without
// one good line, changes nothing: it is rather a mistake than the wish to refuse every client. Either is logged as an
// error, counted, and told by Trouble. Keys is safe for concurrent use and must be closed.
type Keys struct {
	path  string
	tiers map[string]int
	log   *slog.Logger
	table atomic.Pointer[keyTable]
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu       sync.Mutex
	trouble  error     // what is wrong with the file; nil when it is in force as it is
	since    time.Time // since when
	badLines int

	// Of the content read last. After NewKeys only the watcher's goroutine looks at them.
	seen    hash
	seenErr error
	seenBad int
}

const (
	pollKeys   = 30 * time.Second      // how often the file is looked at even if no change was announced
	settleKeys = 50 * time.Millisecond // from a change until the file is read: its writer may need some time
)

// NewKeys reads the file at path and watches it until Close. Every tier in it must be in tiers. At this point a file with
// a bad line is an error, which names every bad line.
func NewKeys(path string, tiers map[string]int, log *slog.Logger, reg prometheus.Registerer) (*Keys, error) {
	k := &Keys{path: path, tiers: tiers, log: log}
	if _, err := k.load(time.Now()); err != nil {
		return nil, err
	}
	if err := k.register(reg); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	watcher, err := watchDir(filepath.Dir(path))
	if err != nil {
		// Nodes run out of inotify instances; that must not keep a pod from serving.
		log.WarnContext(ctx, "API keys are polled, not watched", slog.Any("error", err), slog.Int64("every_ms", pollKeys.Milliseconds()))
	}
	k.done.Go(func() { k.watch(ctx, watcher) })
	return k, nil
}

// register exports how many keys are in force, and whether the file is.
func (k *Keys) register(reg prometheus.Registerer) error {
	gauge := func(name, help string, value func() float64) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	return errors.Join(
		gauge("llm_api_keys", "API keys in force.", func() float64 { return float64(len(*k.table.Load())) }),
		gauge("llm_api_keys_bad_lines", "Lines of the key file that cannot be read.", func() float64 {
			k.mu.Lock()
			defer k.mu.Unlock()
			return float64(k.badLines)
		}),
		gauge("llm_api_keys_stale_seconds", "Time since the key file stopped being in force as it is; 0 while it is.", func() float64 {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.trouble == nil {
				return 0
			}
			return time.Since(k.since).Seconds()
		}),
	)
}

// Trouble says what is wrong with the key file, for operators; "" when nothing is.
func (k *Keys) Trouble() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.trouble == nil {
		return ""
	}
	return fmt.Sprintf("since %s: %v", k.since.UTC().Format(time.RFC3339), k.trouble)
}

// watchDir watches the directory, not the file: a mounted Secret is replaced by renaming a link beside it. On error the
// watcher is one that never reports anything.
func watchDir(dir string) (*fsnotify.Watcher, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return &fsnotify.Watcher{}, err
	}
	if err := watcher.Add(dir); err != nil {
		return &fsnotify.Watcher{}, errors.Join(err, watcher.Close())
	}
	return watcher, nil
}

// load reads the file, brings its good lines into force, and reports whether it differs from what was read before.
func (k *Keys) load(now time.Time) (changed bool, err error) {
	text, err := os.ReadFile(k.path)
	if err != nil {
		err = fmt.Errorf("reading API keys: %w", err)
		k.note(now, err, 0)
		return false, err
	}
	sum := hash(sha256.Sum256(text))
	if sum == k.seen {
		k.note(now, k.seenErr, k.seenBad)
		return false, k.seenErr
	}
	table, errs := parseKeys(string(text), k.tiers)
	if len(errs) > 0 {
		err = fmt.Errorf("API keys in %s: %w", k.path, errors.Join(errs...))
	}
	k.seen, k.seenErr, k.seenBad = sum, err, len(errs)
	k.note(now, err, len(errs))
	if len(table) == 0 {
		return false, err
	}
	k.table.Store(&table)
	return true, err
}

// note remembers what is wrong with the file, and since when.
func (k *Keys) note(now time.Time, err error, badLines int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.badLines = badLines
	if k.trouble == nil {
		k.since = now
	}
	k.trouble = err
}

// watch reads the file again soon after every change beside it, and every pollKeys.
func (k *Keys) watch(ctx context.Context, watcher *fsnotify.Watcher) {
	if watcher.Events != nil {
		defer func() { _ = watcher.Close() }()
	}
	poll := time.NewTicker(pollKeys)
	defer poll.Stop()
	var settled <-chan time.Time // set while a change waits to be read
	for {
		select {
		case <-ctx.Done():
			return
		case <-watcher.Events:
		case err := <-watcher.Errors: // changes may have been missed: look
			k.log.WarnContext(ctx, "watching API keys", slog.Any("error", err))
		case <-poll.C:
			k.reload(ctx)
			continue
		case <-settled:
			settled = nil
			k.reload(ctx)
			continue
		}
		if settled == nil { // further changes do not delay it: a busy directory would delay it without end
			settled = time.After(settleKeys)
		}
	}
}

func (k *Keys) reload(ctx context.Context) {
	before := k.Trouble()
	changed, err := k.load(time.Now())
	count := slog.Int("keys", len(*k.table.Load()))
	switch {
	case err != nil && changed:
		k.log.ErrorContext(ctx, "API keys reloaded without the lines that are wrong", slog.Any("error", err), count)
	case err != nil && k.Trouble() != before:
		k.log.ErrorContext(ctx, "API keys stay as they were", slog.Any("error", err), count)
	case changed:
		k.log.InfoContext(ctx, "API keys reloaded", count)
	case err == nil && before != "":
		k.log.InfoContext(ctx, "API keys are as the file has them again", count)
	}
}

// Close ends the watching.
func (k *Keys) Close() error {
	k.stop()
	k.done.Wait()
	return nil
}
