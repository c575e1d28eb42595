package live

import (
	"net/http"
	"time"
)

// Over serves the page and its data, and leaves every other request to next. A service has it over its admin port, and
// with --dev over its main port too.
//
//	GET  /                    the page
//	GET  /debug/live          the latest snapshot and the history; with ?pods=all those of all pods together
//	GET  /debug/live/events   a snapshot each second, as server-sent events; the same
//	POST /debug/live/fault    with the playground: how the simulated vendor fails
//	POST /debug/live/load     the same: requests each second, for a minute
//	POST /debug/live/redis    the same: Redis freezes for this pod, or goes on
//	POST /debug/live/story    the same: a breaker opens and closes, each step explained
func (l *Live) Over(next http.Handler) http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("GET /{$}", l.servePage)
	own.HandleFunc("GET /debug/live", l.serveDocument)
	own.HandleFunc("GET /debug/live/events", l.serveEvents)
	own.HandleFunc("POST /debug/live/fault", l.change(alone((*play).serveFault)))
	own.HandleFunc("POST /debug/live/redis", l.change(alone((*play).serveRedis)))
	own.HandleFunc("POST /debug/live/load", l.change(alone((*play).serveLoad)))
	own.HandleFunc("POST /debug/live/story", l.change((*play).serveStory))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := own.Handler(r); pattern == "" {
			next.ServeHTTP(w, r)
			return
		}
		own.ServeHTTP(w, r)
	})
}

func (l *Live) servePage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", l.page.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(l.page.html)
}

// asked is the view that a request asks for. That of all pods is kept up to date for some seconds.
func (l *Live) asked(r *http.Request) *view {
	if l.all == nil || r.URL.Query().Get("pods") != "all" {
		return l.own
	}
	l.all.ask(l.own, time.Now())
	return l.all.view
}

func (l *Live) serveDocument(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(encode(l.document(l.asked(r))))
}
