package api

import (
	"iter"
	"net/http"
	"slices"
	"time"
)

// takeWithin gives the client d to take what is written from now on. In tests the writer may not support that; writes
// then have no limit.
func takeWithin(rc *http.ResponseController, d time.Duration) {
	_ = rc.SetWriteDeadline(time.Now().Add(d))
}

// step is how much of an answer a client has to take within WRITE_TIMEOUT.
const step = 256 << 10

// writeInSteps writes an answer, and gives the client d for each step of it: a slow client gets a large answer, and one
// that has stopped reading is cut. Until then it holds the answer's memory and a place in this pod, but no vendor slot.
func writeInSteps(w http.ResponseWriter, answer []byte, d time.Duration) error {
	if len(answer) <= smallAnswer {
		_, err := w.Write(answer)
		return err
	}
	return writeParts(w, slices.Chunk(answer, step), d)
}

// writeParts is writeInSteps for an answer that comes in parts, none much larger than a step.
func writeParts(w http.ResponseWriter, parts iter.Seq[[]byte], d time.Duration) error {
	rc := http.NewResponseController(w)
	for part := range parts {
		takeWithin(rc, d)
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// bounded limits the time of every answer: a client that does not read it would otherwise hold its connection and a
// place in this pod for as long as it likes. The limit is long, because it counts from the request's start; a handler
// that writes much sets a shorter one. It is set again for each request of a connection.
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
