package live

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// nowhere is a board on which no pod leaves anything.
type nowhere struct{}

func (nowhere) Wanted(context.Context) (bool, error) { return false, nil }
func (nowhere) Exchange(context.Context, []byte, bool) ([][]byte, int, error) {
	return nil, 0, nil
}

// TestAViewOfAllPodsIsAskedForAgain while it is watched, also when no event comes: a pod that stood still for longer
// than such a view is kept up to date would otherwise never send an event again.
func TestAViewOfAllPodsIsAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Board: nowhere{}})
		ended := make(chan struct{})
		go func() { // the pod never looks, because it is not started
			defer close(ended)
			r := httptest.NewRequest(http.MethodGet, "/debug/live/events?pods=all", nil)
			l.Over(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		}()
		time.Sleep(10 * watchTime)
		if !l.all.watched(time.Now()) {
			t.Error("the view of all pods counts as not watched")
		}
		l.Close()
		<-ended
	})
}
