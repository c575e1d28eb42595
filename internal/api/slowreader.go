package api

import (
	"net/http"
	"time"
)

// takeWithin gives the client d to take what is written from now on. Where the server cannot do that, which is only in
// tests, writes have no limit.
func takeWithin(rc *http.ResponseController, d time.Duration) {
	_ = rc.SetWriteDeadline(time.Now().Add(d))
}

// bounded makes every answer end: a client that does not read it would otherwise hold its connection, and a place in this
// pod, for ever. The limit is generous, because it counts from the request's start; whoever writes much sets a closer
// one. It is set anew for each request, so that no request meets what an earlier one on its connection has left.
func bounded(limit time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if direct, ok := w.(interface {
			SetWriteDeadline(deadline time.Time) error
		}); ok { // a controller is an allocation
			_ = direct.SetWriteDeadline(time.Now().Add(limit))
		} else {
			takeWithin(http.NewResponseController(w), limit)
		}
		next.ServeHTTP(w, r)
	})
}
