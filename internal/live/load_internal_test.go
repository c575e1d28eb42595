package live

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// answering is a service that answers at once, and counts by key.
type answering struct{ free, pro, enterprise atomic.Int64 }

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	switch key := r.Header.Get("Authorization"); {
	case strings.HasSuffix(key, "free"):
		a.free.Add(1)
	case strings.HasSuffix(key, "pro"):
		a.pro.Add(1)
	default:
		a.enterprise.Add(1)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func (a *answering) all() int64 { return a.free.Load() + a.pro.Load() + a.enterprise.Load() }

// TestLoadStopsAfterAMinute sends the most load that there may be, to three tiers, and looks again much later.
func TestLoadStopsAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var service answering
		l := newLoad(Playground{
			Service: func() string { return "http://service" }, Keys: []string{"a-free", "a-pro", "a-enterprise"},
		})
		l.client = &http.Client{Transport: &service}
		l.set(maxLoad)
		time.Sleep(30 * time.Second)
		if rate, left := l.state(time.Now()); rate != maxLoad || left != 30 {
			t.Errorf("after 30 seconds the rate is %d, for %v seconds", rate, left)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if rate, left := l.state(time.Now()); rate != 0 || left != 0 {
			t.Errorf("after ten minutes the rate is %d, for %v seconds", rate, left)
		}
		if n, want := service.all(), int64(maxLoad*60); n > want || n < want-maxLoad {
			t.Errorf("%d requests were sent, want %d", n, want)
		}
		if free, pro := service.free.Load(), service.pro.Load(); free-pro > 1 || free-service.enterprise.Load() > 1 {
			t.Errorf("the tiers have %d, %d and %d requests", free, pro, service.enterprise.Load())
		}
		l.close()
	})
}

// silent is a service that answers when it is told to.
type silent struct{ came, answer chan struct{} }

func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.came <- struct{}{}
	select {
	case <-s.answer:
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// TestTheEndOfLoadBreaksNoRequestOff: the page shows what the service does, and would count each one as a client that
// left. So requests of several loads may be under way, and all of them are bounded together.
func TestTheEndOfLoadBreaksNoRequestOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := silent{make(chan struct{}, 10*maxUnderway), make(chan struct{})}
		l := newLoad(Playground{Service: func() string { return "http://service" }, Keys: []string{"a"}})
		l.client = &http.Client{Transport: service}
		for range 4 {
			l.set(maxLoad)
			time.Sleep(4 * time.Second)
		}
		l.set(0)
		time.Sleep(time.Second)
		synctest.Wait()
		if came := len(service.came); came < maxUnderway-1 || came > maxUnderway {
			t.Errorf("%d requests were sent, want %d", came, maxUnderway)
		}
		if n := l.underway.Load(); n != int64(len(service.came)) {
			t.Errorf("%d requests are under way, of %d", n, len(service.came))
		}
		close(service.answer)
		synctest.Wait()
		if n := l.underway.Load(); n != 0 {
			t.Errorf("%d requests are under way, and all were answered", n)
		}
		l.close()
	})
}

// TestTheEndOfThePodBreaksLoadOff, so that a pod which stops does not wait for it.
func TestTheEndOfThePodBreaksLoadOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := silent{make(chan struct{}, 10*maxUnderway), make(chan struct{})}
		l := newLoad(Playground{Service: func() string { return "http://service" }, Keys: []string{"a"}})
		l.client = &http.Client{Transport: service}
		l.set(maxLoad)
		time.Sleep(time.Second)
		before := time.Now()
		l.close()
		if took := time.Since(before); took > 0 {
			t.Errorf("the end took %v", took)
		}
	})
}
