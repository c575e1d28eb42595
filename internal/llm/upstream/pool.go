package upstream

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// pool holds the connections to the vendor. A connection in constant use would stay at one address although the DNS
// name of the vendor leads to another. So when the connections of a transport may have reached their greatest age, a
// new transport takes over, whose connections look the name up again. Exchanges under way end on the former transport,
// so none is cut or lost. It is safe for concurrent use.
type pool struct {
	age     time.Duration // of a connection at most, while requests are given to it; zero means no limit
	current atomic.Pointer[generation]
}

// generation is one transport of a pool.
type generation struct {
	*http.Transport

	expires time.Time   // zero: never
	former  *generation // the one before it, while its connections may be open; nil: none
}

// newPool returns a pool of at most so many connections.
func newPool(cfg Config, times Times, connections int, m *metrics) *pool {
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 30 * time.Second}
	p := &pool{age: cfg.ConnMaxAge}
	p.replace(nil, &generation{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			m.connections.Inc()
			return dialer.DialContext(ctx, network, addr)
		},
		TLSHandshakeTimeout: cfg.ConnectTimeout,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		// No ResponseHeaderTimeout: the call timeout bounds the headers too, and a second timer costs every call.
		IdleConnTimeout:     90 * time.Second,
		MaxConnsPerHost:     connections + 1, // one more for the list of models
		MaxIdleConns:        connections,
		MaxIdleConnsPerHost: connections,
		ForceAttemptHTTP2:   true,
		HTTP2:               deadAfter(times.Call),
		DisableCompression:  true, // answers pass through as they are; unpacking them would only cost
	}})
	return p
}

// deadAfter says when a connection that calls share over HTTP/2 is given up: when it has been silent for a time and
// then does not answer a ping. That takes half a call timeout and 15 s at most, so that a dead connection costs its
// calls one attempt. If it cost each one more attempt after the other, the breaker would open.
func deadAfter(callTimeout time.Duration) *http.HTTP2Config {
	return &http.HTTP2Config{
		SendPingTimeout: min(callTimeout/3, 10*time.Second), PingTimeout: min(callTimeout/6, 5*time.Second),
	}
}

// RoundTrip sends a request on a connection that is young enough.
func (p *pool) RoundTrip(r *http.Request) (*http.Response, error) {
	g := p.current.Load()
	if !g.expires.IsZero() && time.Now().After(g.expires) {
		g = p.renew(g)
	}
	return g.RoundTrip(r)
}

// renew replaces a generation whose time is over, and returns the one in use.
func (p *pool) renew(old *generation) *generation {
	next := &generation{Transport: old.Clone(), former: old}
	if !p.replace(old, next) {
		return p.current.Load()
	}
	if former := old.former; former != nil {
		former.CloseIdleConnections()
		old.former = nil
	}
	old.CloseIdleConnections() // it also closes those that become idle later
	return next
}

// replace makes next the generation in use, if old still is. The times differ between pods by a tenth, so that a vendor
// does not get the handshakes of all at once.
func (p *pool) replace(old, next *generation) bool {
	if p.age > 0 {
		next.expires = time.Now().Add(p.age - rand.N(p.age/10+1))
	}
	return p.current.CompareAndSwap(old, next)
}

// close closes the connections that are idle.
func (p *pool) close() {
	for g := p.current.Load(); g != nil; g = g.former {
		g.CloseIdleConnections()
	}
}
