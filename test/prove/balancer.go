package prove

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// balancer sends requests to the ready pods in turn. It asks each pod for /readyz every 100 ms, more often than a
// kubelet, and takes a pod out at the first failure. Its delay of up to 100 ms is part of the trial.
type balancer struct {
	stop   chan struct{}
	done   sync.WaitGroup
	client *http.Client

	mu    sync.Mutex
	ready []*Pod
	next  int
}

const (
	probeEvery = 100 * time.Millisecond
	probeTime  = time.Second // a probe that takes longer has failed
)

func newBalancer() *balancer {
	return &balancer{stop: make(chan struct{}), client: &http.Client{Timeout: probeTime}}
}

func (b *balancer) close() { close(b.stop); b.done.Wait(); b.client.CloseIdleConnections() }

// add begins to probe a pod, until its process ends.
func (b *balancer) add(p *Pod) {
	b.done.Go(func() {
		for tick := time.NewTicker(probeEvery); ; {
			b.set(p, b.probe(p))
			select {
			case <-tick.C:
			case <-p.Exited():
				b.set(p, false)
				return
			case <-b.stop:
				return
			}
		}
	})
}

func (b *balancer) probe(p *Pod) bool {
	res, err := b.client.Get(p.Admin + "/readyz")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// set adds a pod to the ready ones, or removes it.
func (b *balancer) set(p *Pod, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.ready, p)
	switch {
	case i >= 0 && !ready:
		b.ready = slices.Delete(b.ready, i, i+1)
	case i < 0 && ready:
		b.ready = append(b.ready, p)
	}
}

func (b *balancer) has(p *Pod) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.ready, p)
}

// pick returns the next ready pod, or nil when none is ready.
func (b *balancer) pick() *Pod {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		return nil
	}
	b.next++
	return b.ready[b.next%len(b.ready)]
}
