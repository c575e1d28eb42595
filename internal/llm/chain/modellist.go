package chain

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// Times of a list of models.
const (
	listFresh    = time.Minute      // until the vendor is asked again after a success
	listRetry    = 10 * time.Second // until the vendor is asked again after a failure
	listTimeout  = 5 * time.Second  // of one request to the vendor
	listPatience = time.Second      // that a client waits for a new list when an old one is known
)

// modelList is the list of models of a lane's vendor. Clients that ask at the same time cause one request to the
// vendor. While the vendor does not answer they get the last known list. It is safe for concurrent use.
type modelList struct {
	fetch   func(context.Context) ([]llm.Model, error)
	log     *slog.Logger
	ctx     context.Context // ends with the lane
	end     context.CancelFunc
	fetches sync.WaitGroup

	mu      sync.Mutex
	models  []llm.Model
	known   bool          // the vendor has answered; its list may be empty
	failing bool          // the last request failed
	due     time.Time     // of the next request
	running chan struct{} // closed when the request under way has ended; nil when there is none
}

func newModelList(fetch func(context.Context) ([]llm.Model, error), log *slog.Logger) *modelList {
	l := &modelList{fetch: fetch, log: log}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// get returns the list, at most a minute old where the vendor answers, and whether it is known at all. With ask false
// the vendor is not asked.
func (l *modelList) get(ctx context.Context, ask bool) (models []llm.Model, known bool) {
	l.mu.Lock()
	if ask && l.running == nil && !time.Now().Before(l.due) {
		l.running = make(chan struct{})
		l.fetches.Go(l.refresh)
	}
	running, patience := l.running, listTimeout
	if l.known {
		patience = listPatience
	}
	l.mu.Unlock()
	if running != nil {
		enough := time.NewTimer(patience)
		defer enough.Stop()
		select {
		case <-running:
		case <-enough.C:
		case <-ctx.Done():
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.models, l.known
}

// refresh asks the vendor once for all clients that wait.
func (l *modelList) refresh() {
	ctx, cancel := context.WithTimeout(l.ctx, listTimeout)
	defer cancel()
	models, err := l.fetch(ctx)
	if errors.Is(err, upstream.ErrNoModelList) {
		err = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.models, l.known, l.due = models, true, time.Now().Add(listFresh)
	} else {
		l.due = time.Now().Add(listRetry)
		if !l.failing {
			l.log.LogAttrs(l.ctx, slog.LevelWarn, "the list of models cannot be read; the last known list is served",
				slog.Any("error", err))
		}
	}
	l.failing = err != nil
	close(l.running)
	l.running = nil
}

// close ends a request under way.
func (l *modelList) close() {
	l.end()
	l.fetches.Wait()
}
