// Package follow brings what a file says into force, and again whenever the file changes: keys and URLs that are
// rotated without a restart. A file may be written in place, or be replaced in the way in which Kubernetes replaces a
// mounted Secret.
//
//	Open       the first content must be good                      follow.go
//	  watch    a change beside the file, or a look now and then    watch.go
//	  Reload   take the new content, or keep the former one and say so
//
// What the text means is the business of Config.Take. Nothing here logs or repeats the text: it may be a secret.
package follow

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what is followed.
type Config struct {
	Path   string // empty: no file, which is never in trouble
	What   string // what the file holds, for the log, as "API keys"
	Metric string // name of the gauge: seconds since the file stopped being in force as it is, 0 while it is

	// Take brings a new text into force and reports whether it did. An error says what is wrong with the text and must
	// not repeat it. Both together mean that a part is in force. Its calls do not overlap.
	Take func(text []byte) (inForce bool, err error)
	// Detail is added to each line of the log; nil adds nothing.
	Detail func() slog.Attr
}

// File is a file that is followed. It is safe for concurrent use and must be closed.
type File struct {
	cfg  Config
	log  *slog.Logger
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	trouble error     // what is wrong with the file; nil while it is in force as it is
	since   time.Time // when the trouble began

	reading sync.Mutex // held while the file is read; it is locked before mu
	// Of the text read last.
	read bool
	seen [sha256.Size]byte
	err  error
}

// Open takes the file and follows it until Close. At this point anything wrong with the file is an error.
func Open(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*File, error) {
	f := &File{cfg: cfg, log: log, stop: func() {}}
	if cfg.Path == "" {
		return f, f.register(reg)
	}
	if _, err := f.loadLocked(time.Now()); err != nil { // which no other goroutine knows yet
		return nil, err
	}
	if err := f.register(reg); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	watcher, err := watchDir(filepath.Dir(cfg.Path))
	if err != nil {
		// Nodes run out of inotify instances; that must not keep a pod from serving.
		log.LogAttrs(ctx, slog.LevelWarn, cfg.What+": the file is polled, not watched",
			slog.Any("error", err), slog.Int64("every_ms", poll.Milliseconds()))
	}
	f.done.Go(func() { f.watch(ctx, watcher) })
	return f, nil
}

func (f *File) register(reg prometheus.Registerer) error {
	help := "Time since the file with the " + f.cfg.What + " stopped being in force as it is; 0 while it is."
	return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: f.cfg.Metric, Help: help}, func() float64 {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.trouble == nil {
			return 0
		}
		return time.Since(f.since).Seconds()
	}))
}

// Trouble says for operators what is wrong with the file, and since when; "" when nothing is.
func (f *File) Trouble() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trouble == nil {
		return ""
	}
	return fmt.Sprintf("since %s: %v", f.since.UTC().Format(time.RFC3339), f.trouble)
}

// Close ends the watching. The content stays in force. The error is always nil.
func (f *File) Close() error {
	f.stop()
	f.done.Wait()
	return nil
}

// loadLocked reads the file and takes its text if it differs from the one read before.
func (f *File) loadLocked(now time.Time) (inForce bool, err error) {
	text, err := os.ReadFile(f.cfg.Path)
	if err != nil {
		err = fmt.Errorf("%s: %w", f.cfg.What, err)
		f.note(now, err)
		return false, err
	}
	sum := sha256.Sum256(text)
	if f.read && sum == f.seen {
		f.note(now, f.err)
		return false, f.err
	}
	inForce, err = f.cfg.Take(text)
	if err != nil {
		err = fmt.Errorf("%s in %s: %w", f.cfg.What, f.cfg.Path, err)
	}
	f.read, f.seen, f.err = true, sum, err
	f.note(now, err)
	return inForce, err
}

// note remembers what is wrong with the file, and since when.
func (f *File) note(now time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trouble == nil {
		f.since = now
	}
	f.trouble = err
}

// Reload reads the file now, and logs what came of it, once for each change. The file is read without it too; it is for
// those who have learned that what is in force no longer serves. When it returns, what the file said is in force.
func (f *File) Reload(ctx context.Context) {
	if f.cfg.Path == "" {
		return
	}
	f.reading.Lock()
	defer f.reading.Unlock()
	before := f.Trouble()
	inForce, err := f.loadLocked(time.Now())
	switch {
	case err != nil && inForce:
		f.say(ctx, slog.LevelError, f.cfg.What+" reloaded in part", err)
	case err != nil && f.Trouble() != before:
		f.say(ctx, slog.LevelError, f.cfg.What+" not reloaded: what was read before stays in force", err)
	case inForce:
		f.say(ctx, slog.LevelInfo, f.cfg.What+" reloaded", nil)
	case err == nil && before != "":
		f.say(ctx, slog.LevelInfo, f.cfg.What+": the file is right again", nil)
	}
}

func (f *File) say(ctx context.Context, level slog.Level, text string, err error) {
	var attrs []slog.Attr
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if f.cfg.Detail != nil {
		attrs = append(attrs, f.cfg.Detail())
	}
	f.log.LogAttrs(ctx, level, text, attrs...)
}
