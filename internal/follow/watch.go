package follow

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	poll   = 30 * time.Second      // how often the file is looked at even if no change was announced
	settle = 50 * time.Millisecond // from a change until the file is read: its writer may need some time
)

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

// watch reads the file again soon after every change beside it, and every poll.
func (f *File) watch(ctx context.Context, watcher *fsnotify.Watcher) {
	if watcher.Events != nil {
		defer func() { _ = watcher.Close() }()
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	var settled <-chan time.Time // set while a change waits to be read
	for {
		select {
		case <-ctx.Done():
			return
		case <-watcher.Events:
		case err := <-watcher.Errors: // changes may have been missed: look
			f.log.LogAttrs(ctx, slog.LevelWarn, "watching "+f.cfg.What, slog.Any("error", err))
		case <-ticker.C:
			f.Reload(ctx)
			continue
		case <-settled:
			settled = nil
			f.Reload(ctx)
			continue
		}
		if settled == nil { // further changes do not delay it: a busy directory would delay it without end
			settled = time.After(settle)
		}
	}
}
