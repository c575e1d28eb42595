package live

import (
	"fmt"
	"net/http"
	"time"
)

// Bounds of the streams of events.
const (
	maxWatchers = 16              // streams at a time
	watcherTime = 5 * time.Second // that a watcher may take to accept an event
	askAgain    = 2 * time.Second // after which a watcher asks anew for what it watches
)

// serveEvents sends a snapshot each second until the watcher leaves or the Live is closed.
func (l *Live) serveEvents(w http.ResponseWriter, r *http.Request) {
	select {
	case l.watchers <- struct{}{}:
		defer func() { <-l.watchers }()
	default:
		w.Header().Set("Retry-After", "5")
		full := fmt.Sprintf("%d pages watch this pod, which is the most there may be", maxWatchers)
		http.Error(w, full, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	stream := http.NewResponseController(w)
	_ = stream.SetReadDeadline(time.Time{}) // the server's own deadline would end the stream
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		event, changed := l.asked(r).now()
		_ = stream.SetWriteDeadline(time.Now().Add(watcherTime))
		// Event ends with a newline.
		if _, err := fmt.Fprintf(w, "data: %s\n", event); err != nil || stream.Flush() != nil {
			return
		}
		if !l.next(r, changed, again.C) {
			return
		}
	}
}

// next waits for the next event, and reports whether there will be one. A view of all pods that was not asked for in
// time, because this pod or its Redis was slow, is kept up to date no more: so it is asked for again.
func (l *Live) next(r *http.Request, changed <-chan struct{}, again <-chan time.Time) bool {
	for {
		select {
		case <-changed:
			return true
		case <-again:
			l.asked(r)
		case <-r.Context().Done():
			return false
		case <-l.stop:
			return false
		}
	}
}
