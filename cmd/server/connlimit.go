package main

import (
	"errors"
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// connLimit accepts at most a given number of connections at a time. Further clients wait in the operating system's
// queue until a connection closes. A connection costs memory before the client has shown its API key, so no other limit
// protects the pod from clients without a key.
type connLimit struct {
	net.Listener

	places chan struct{} // one element for each open connection
	closed chan struct{} // ends a waiting Accept
	once   sync.Once

	malformed *malformed // counts what net/http refuses by itself; set before the first Accept
}

func newConnLimit(l net.Listener, limit int) *connLimit {
	return &connLimit{Listener: l, places: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept waits for a place, then for a connection.
func (l *connLimit) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &countedConn{Conn: conn, malformed: l.malformed, leave: func() { <-l.places }}, nil
}

// Close closes the listener and ends a waiting Accept. Connections that were accepted stay open.
func (l *connLimit) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// crowded reports whether more than three quarters of the places are taken. Connections are then closed after each
// answer, so that idle ones cannot keep the remaining places from others.
func (l *connLimit) crowded() bool { return len(l.places) > cap(l.places)*3/4 }

// countedConn gives its place back when it closes.
type countedConn struct {
	net.Conn

	malformed *malformed
	once      sync.Once
	leave     func()
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.malformed.note(p)
	return c.Conn.Write(p)
}

func (c *countedConn) Close() error {
	defer c.once.Do(c.leave)
	return c.Conn.Close()
}

// registerConnections registers the metrics of each port: its open connections, their limit, and the malformed
// requests.
func registerConnections(reg prometheus.Registerer, limits map[string]*connLimit) error {
	counter, err := newMalformed(reg)
	for port, l := range limits {
		l.malformed = malformedOf(counter, port)
	}
	return errors.Join(err, reg.Register(connections(limits)))
}

// connections are the limits by the name of their port.
type connections map[string]*connLimit

var (
	connectionsDesc = prometheus.NewDesc("llm_connections",
		"Open connections of clients, by port.", []string{"port"}, nil)
	connectionsMax = prometheus.NewDesc("llm_connections_max",
		"Connections of clients that are accepted at a time, by port.", []string{"port"}, nil)
)

func (c connections) Describe(ch chan<- *prometheus.Desc) {
	ch <- connectionsDesc
	ch <- connectionsMax
}

func (c connections) Collect(ch chan<- prometheus.Metric) {
	for port, l := range c {
		ch <- prometheus.MustNewConstMetric(connectionsDesc, prometheus.GaugeValue, float64(len(l.places)), port)
		ch <- prometheus.MustNewConstMetric(connectionsMax, prometheus.GaugeValue, float64(cap(l.places)), port)
	}
}
