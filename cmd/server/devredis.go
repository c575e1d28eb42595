package main

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// devRedis is the embedded Redis of --dev. It can be frozen: connections stay, and nothing is answered, as of a server
// whose process is stopped.
type devRedis struct {
	embedded *miniredis.Miniredis
	listener net.Listener // nil: the embedded Redis is not used
	stop     chan struct{}
	running  sync.WaitGroup

	changing sync.Mutex // held while frozen changes
	frozen   bool
	gate     sync.RWMutex // locked while frozen; passed by each piece of a connection

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// start runs an embedded Redis that knows the same Lua scripts. Its clock for expiry stands still unless it is told
// that time has passed.
func (d *devRedis) start(ctx context.Context, cleanup *closers) (string, error) {
	d.embedded, d.stop, d.conns = miniredis.NewMiniRedis(), make(chan struct{}), map[net.Conn]bool{}
	if err := d.embedded.StartAddr("127.0.0.1:0"); err != nil {
		return "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		d.embedded.Close()
		return "", err
	}
	d.listener = listener
	d.running.Go(d.tick)
	d.running.Go(func() { d.accept(context.WithoutCancel(ctx)) })
	cleanup.add("embedded redis", time.Second, func(context.Context) error { d.close(); return nil })
	return "redis://" + listener.Addr().String(), nil
}

// tick tells the embedded Redis the time.
func (d *devRedis) tick() {
	const step = 100 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.embedded.FastForward(step)
		case <-d.stop:
			return
		}
	}
}

// freeze stops what goes to Redis, or lets it go on.
func (d *devRedis) freeze(frozen bool) {
	d.changing.Lock()
	defer d.changing.Unlock()
	switch {
	case frozen && !d.frozen:
		d.gate.Lock()
	case !frozen && d.frozen:
		d.gate.Unlock()
	}
	d.frozen = frozen
}

// accept leads connections to the embedded Redis.
func (d *devRedis) accept(ctx context.Context) {
	for {
		from, err := d.listener.Accept()
		if err != nil {
			return
		}
		to, err := new(net.Dialer).DialContext(ctx, "tcp", d.embedded.Addr())
		if err != nil || !d.keep(from, to) {
			_ = from.Close()
			return
		}
		d.running.Go(func() { d.lead(from, to) })
		d.running.Go(func() { d.lead(to, from) })
	}
}

// keep remembers connections, so that close ends them. It reports whether it is not too late for them.
func (d *devRedis) keep(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range conns {
		if d.conns == nil {
			_ = c.Close()
			continue
		}
		d.conns[c] = true
	}
	return d.conns != nil
}

// lead copies from one side to the other until one of them closes.
func (d *devRedis) lead(from, to net.Conn) {
	_, _ = io.Copy(gated{to, &d.gate}, from)
	_ = from.Close()
	_ = to.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, from)
	delete(d.conns, to)
}

// gated writes while the gate is open.
type gated struct {
	net.Conn

	gate *sync.RWMutex
}

func (g gated) Write(b []byte) (int, error) {
	g.gate.RLock()
	defer g.gate.RUnlock()
	return g.Conn.Write(b)
}

// close ends everything, and waits for it.
func (d *devRedis) close() {
	d.freeze(false)
	close(d.stop)
	_ = d.listener.Close()
	d.mu.Lock()
	for c := range d.conns {
		_ = c.Close()
	}
	d.conns = nil
	d.mu.Unlock()
	d.running.Wait()
	d.embedded.Close()
}
