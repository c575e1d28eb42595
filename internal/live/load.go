package live

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-dev/spillway/internal/openloop"
)

// Bounds of the load.
const (
	maxLoad     = 200         // requests a second
	loadTime    = time.Minute // until it stops by itself
	maxUnderway = 1000        // requests whose answer is awaited; more are not sent
)

// load sends requests to the service, as its clients would.
type load struct {
	with   Playground
	client *http.Client

	life     context.Context // of the requests; it ends when the pod stops
	end      context.CancelFunc
	underway atomic.Int64

	changing sync.Mutex // held while one load is replaced by another
	sending  sync.WaitGroup

	mu    sync.Mutex
	rate  int
	until time.Time
	stop  context.CancelFunc
}

func newLoad(with Playground) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: maxLoad, IdleConnTimeout: 10 * time.Second}
	life, end := context.WithCancel(context.Background())
	return &load{with: with, client: &http.Client{Transport: transport, Timeout: loadTime}, life: life, end: end,
		stop: func() {}}
}

// serveLoad takes {"rate":50}; zero ends the load.
func (p *play) serveLoad(r *http.Request) error {
	var want struct {
		Rate int `json:"rate"`
	}
	if err := read(r, &want); err != nil {
		return err
	}
	if want.Rate < 0 || want.Rate > maxLoad {
		return fmt.Errorf("%w: rate is from 0 to %d requests a second", errBadRequest, maxLoad)
	}
	return p.send(r.Context(), want.Rate)
}

// send sends so many requests a second, where no real vendor would get them.
func (p *play) send(ctx context.Context, rate int) error {
	if rate > 0 {
		if err := p.vendor.simulated(ctx); err != nil {
			return err
		}
	}
	p.load.set(rate)
	return nil
}

// state is the rate and the seconds left.
func (l *load) state(now time.Time) (rate int, left float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.until) {
		return 0, 0
	}
	return l.rate, l.until.Sub(now).Seconds()
}

// set ends the load, and sends rate requests a second from now on, for a minute. Requests that are under way go on to
// their end: clients do not leave because others do.
func (l *load) set(rate int) {
	l.changing.Lock()
	defer l.changing.Unlock()
	l.replaceLocked(rate)
}

// keep sends rate requests a second, unless a load is on already.
func (l *load) keep(rate int) {
	l.changing.Lock()
	defer l.changing.Unlock()
	if on, _ := l.state(time.Now()); on == 0 {
		l.replaceLocked(rate)
	}
}

// replaceLocked is called while changing is held.
func (l *load) replaceLocked(rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
	ctx, stop := context.WithTimeout(l.life, loadTime)
	l.rate, l.until, l.stop = rate, time.Now().Add(loadTime), stop
	if rate == 0 {
		l.until = time.Time{}
		stop()
		return
	}
	l.sending.Go(func() {
		openloop.Run(ctx, float64(rate), maxUnderway, func(n int) {
			if l.underway.Add(1) <= maxUnderway { // those of the loads before count too
				l.post(l.life, n)
			}
			l.underway.Add(-1)
		})
	})
}

// close ends the load and its requests, for good.
func (l *load) close() {
	l.changing.Lock()
	defer l.changing.Unlock()
	l.replaceLocked(0)
	l.end()
	l.sending.Wait()
}

// post sends request number n and reads its answer. How it ends is what the page shows.
func (l *load) post(ctx context.Context, n int) {
	stream := n/3%2 == 1 // every second one of a tier
	body := fmt.Sprintf(`{"model":"demo","max_tokens":16,"stream":%t,"messages":[{"role":"user","content":"Hi!"}]}`,
		stream)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.with.Service()+"/llm", strings.NewReader(body))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+l.with.Keys[n%len(l.with.Keys)])
	resp, err := l.client.Do(r)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
}
