package follow

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Nodes run out of inotify instances, and events get lost. The poll finds the change then.
func TestAFileIsPolledWithoutAWatcher(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	put := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	synctest.Test(t, func(t *testing.T) {
		inForce := ""
		take := func(text []byte) (bool, error) {
			inForce = string(text)
			return true, nil
		}
		f := &File{cfg: Config{Path: path, Take: take}, log: slog.New(slog.DiscardHandler)}
		if _, err := f.loadLocked(time.Now()); err != nil {
			t.Fatal(err)
		}
		f.done.Go(func() { f.watch(t.Context(), &fsnotify.Watcher{}) })
		put("two")
		time.Sleep(poll)
		synctest.Wait()
		if inForce != "two" {
			t.Errorf("%q is in force after a poll", inForce)
		}
	})
}
