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
	w.Header().Set("Cache-Control", "no-store")
	stream := http.NewResponseController(w)
	_ = stream.SetReadDeadline(time.Time{}) // the server's own deadline would end the stream
	for {
		event, changed := l.asked(r).now()
		_ = stream.SetWriteDeadline(time.Now().Add(watcherTime))
		// Event ends with a newline.
		if _, err := fmt.Fprintf(w, "data: %s\n", event); err != nil || stream.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-l.stop:
			return
		}
	}
}
