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
)

// Keys knows whom the API keys belong to. It holds SHA-256 hashes only, from a file with one line for each key:
//
//	<sha256 of the key, in hex> <user> <tier>
//
// Empty lines and lines that begin with # are skipped. The file is read again when it changes, also in the way in which
// Kubernetes replaces a mounted Secret. A file that is missing or wrong changes nothing: the keys known before stay. Keys
// is safe for concurrent use and must be closed.
type Keys struct {
	path  string
	tiers map[string]int
	log   *slog.Logger
	table atomic.Pointer[keyTable]
	stop  context.CancelFunc
	done  sync.WaitGroup

	seen   hash   // of the content read last; after NewKeys only the watcher's goroutine looks at it
	failed string // the error logged last, so that a poll does not repeat it
}

const (
	pollKeys   = 30 * time.Second      // how often the file is looked at even if no change was announced
	settleKeys = 50 * time.Millisecond // from a change until the file is read: whoever writes it may not be done
)

// NewKeys reads the file at path and watches it until Close. Every tier in it must be in tiers. The error names every bad
// line.
func NewKeys(path string, tiers map[string]int, log *slog.Logger) (*Keys, error) {
	k := &Keys{path: path, tiers: tiers, log: log}
	if _, err := k.load(); err != nil {
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

// watchDir watches the directory, not the file: a mounted Secret is replaced by renaming a link beside it. On error the
// watcher is one that never says anything.
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

// load reads the file and tells whether it differs from what was read before.
func (k *Keys) load() (changed bool, err error) {
	text, err := os.ReadFile(k.path)
	if err != nil {
		return false, fmt.Errorf("reading API keys: %w", err)
	}
	sum := hash(sha256.Sum256(text))
	if sum == k.seen {
		return false, nil
	}
	table, err := parseKeys(string(text), k.tiers)
	if err != nil {
		return false, fmt.Errorf("API keys in %s: %w", k.path, err)
	}
	k.seen = sum
	k.table.Store(&table)
	return true, nil
}

// watch reads the file again soon after every change beside it, and now and then anyway.
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
		if settled == nil { // not put off by further changes: a busy directory would put it off for ever
			settled = time.After(settleKeys)
		}
	}
}

func (k *Keys) reload(ctx context.Context) {
	changed, err := k.load()
	switch {
	case err != nil && err.Error() != k.failed:
		k.failed = err.Error()
		k.log.ErrorContext(ctx, "API keys stay as they were", slog.Any("error", err))
	case err == nil:
		k.failed = ""
	}
	if changed {
		k.log.InfoContext(ctx, "API keys reloaded", slog.Int("keys", len(*k.table.Load())))
	}
}

// Close ends the watching.
func (k *Keys) Close() error {
	k.stop()
	k.done.Wait()
	return nil
}
