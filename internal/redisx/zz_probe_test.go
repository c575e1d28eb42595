package redisx

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/spillway-dev/spillway/internal/redistest"
)

func zzrun(t *testing.T, name, url string, callers int, begin func()) {
	c, err := New(Config{URL: url, Budget: 50 * time.Millisecond, Pool: 32}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil { t.Fatal(err) }
	defer c.Close()
	var mu sync.Mutex
	var lat []time.Duration
	var wg sync.WaitGroup
	stop := make(chan struct{})
	warm := make(chan struct{})
	time.AfterFunc(500*time.Millisecond, func() { close(warm); begin() })
	for range callers {
		wg.Go(func() {
			for {
				s := time.Now()
				err := c.Do(context.Background(), func(ctx context.Context, r redis.Cmdable) error { return r.Set(ctx, "k", "v", 0).Err() })
				d := time.Since(s)
				if errors.Is(err, ErrAway) { return }
				select { case <-warm: mu.Lock(); lat = append(lat, d); mu.Unlock(); default: }
				select { case <-stop: return; default: }
			}
		})
	}
	wg.Wait()
	slices.Sort(lat)
	slow := 0
	for _, d := range lat { if d > 60*time.Millisecond { slow++ } }
	t.Logf("%s callers=%d n=%d over60ms=%d p50=%v max=%v", name, callers, len(lat), slow, lat[len(lat)/2], lat[len(lat)-1])
}

func TestZZ(t *testing.T) {
	for range 2 {
		for _, n := range []int{1, 4, 16, 64, 256} {
			s := redistest.Start(t)
			zzrun(t, "sigstop", s.URL(), n, s.Stop)
			s.Cont()
		}
	}
	// blackhole: listener with a full backlog from the start
	fd, _ := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	syscall.Listen(fd, 0)
	sa, _ := syscall.Getsockname(fd)
	addr := net.JoinHostPort("127.0.0.1", itoa(sa.(*syscall.SockaddrInet4).Port))
	for range 3 { go net.DialTimeout("tcp", addr, 20*time.Second) }
	time.Sleep(200 * time.Millisecond)
	for _, n := range []int{1, 4, 16, 64, 256} { zzrun(t, "blackhole", "redis://"+addr, n, func() {}) }
}
func itoa(i int) string { return slog.IntValue(i).String() }
