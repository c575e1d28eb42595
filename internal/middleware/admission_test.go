package middleware_test

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func newAdmission(tb testing.TB, limit int) (*middleware.Admission, *prometheus.Registry) {
	tb.Helper()
	reg := prometheus.NewRegistry()
	a, err := middleware.NewAdmission(limit, reg)
	if err != nil {
		tb.Fatal(err)
	}
	return a, reg
}

func TestAdmissionRefusesAtOnceWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	a, reg := newAdmission(t, 2)
	entered, leave := make(chan bool), make(chan bool)
	h := chain(func(c *gin.Context) {
		if c.GetHeader("X-Stay") != "" {
			entered <- true
			<-leave
		}
		served(c)
	}, middleware.RequestID(), a.Handler(fail))
	var staying sync.WaitGroup
	for range 2 { // two take the two places
		staying.Go(func() { post(h, "X-Stay", "yes") })
		<-entered
	}
	w := post(h) // the third is refused while both are still inside
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != "overloaded" ||
		w.Header().Get("X-Retry-After") != "1s" {
		t.Errorf("answered %d %s, to be tried again after %s", w.Code, w.Body, w.Header().Get("X-Retry-After"))
	}
	if n := a.InFlight(); n != 2 {
		t.Errorf("%d inside", n)
	}
	close(leave)
	staying.Wait()
	if w := post(h); w.Code != http.StatusOK || a.InFlight() != 0 { // and the places are free again
		t.Errorf("answered %d with %d inside", w.Code, a.InFlight())
	}
	if n, err := testutil.GatherAndCount(reg, "llm_admission_rejections_total", "llm_admission_used_ratio"); n != 2 ||
		err != nil {
		t.Errorf("%d metrics, %v", n, err)
	}
}

func TestAdmissionFreesThePlaceOfAPanic(t *testing.T) {
	t.Parallel()
	a, _ := newAdmission(t, 1)
	h := chain(func(*gin.Context) { panic("oh") }, middleware.RequestID(), middleware.Recover(discard(), fail),
		a.Handler(fail))
	for range 3 {
		if w := post(h); w.Code != http.StatusInternalServerError {
			t.Errorf("answered %d", w.Code)
		}
	}
}

func TestAdmissionIsExactUnderContention(t *testing.T) {
	t.Parallel()
	const limit = 4
	for name, callers := range map[string]int{"as many as fit": limit, "three times as many": 3 * limit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := newAdmission(t, limit)
			var inside, tooMany, refused atomic.Int64
			h := chain(func(*gin.Context) {
				if inside.Add(1) > limit {
					tooMany.Add(1)
				}
				runtime.Gosched()
				inside.Add(-1)
			}, middleware.RequestID(), a.Handler(func(c *gin.Context, _ error) { c.Abort(); refused.Add(1) }))
			var calling sync.WaitGroup
			for range callers {
				calling.Go(func() {
					for range 300 {
						post(h)
					}
				})
			}
			calling.Wait()
			if tooMany.Load() != 0 || a.InFlight() != 0 {
				t.Errorf("%d times too many inside, %d left behind", tooMany.Load(), a.InFlight())
			}
			if callers == limit && refused.Load() != 0 {
				t.Errorf("%d refused that would have fitted", refused.Load())
			}
		})
	}
}

func TestAdmissionNeedsRoom(t *testing.T) {
	t.Parallel()
	if _, err := middleware.NewAdmission(0, prometheus.NewRegistry()); err == nil {
		t.Error("an admission that admits no request was accepted")
	}
}
