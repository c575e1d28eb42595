package main_test

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// balancer sends requests to the pods that were ready at its last look.
type balancer struct {
	pods []*process
	mu   sync.Mutex
	urls []string
}

func (b *balancer) look() {
	var urls []string
	for _, p := range b.pods {
		res, err := http.Get(p.Admin + "/readyz")
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			urls = append(urls, p.URL)
		}
	}
	b.mu.Lock()
	b.urls = urls
	b.mu.Unlock()
}

// watch looks more often than a kubelet.
func (b *balancer) watch(ctx context.Context) {
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.look()
		}
	}
}

func (b *balancer) pick(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.urls[n%len(b.urls)]
}
