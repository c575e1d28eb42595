package main_test

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// balancer sends to the pods that said they were ready when it last asked.
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

// watch asks as often as a probe in a hurry would.
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
