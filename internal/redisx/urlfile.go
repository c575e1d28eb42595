package redisx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/follow"
)

// urlFile follows the file with Redis's URL, so that a new password or another host needs no restart. New connections
// use the host and the password in the file. Older connections are retired: the pool drops them when it would use them
// next, so no command is cut. Two things do not follow the file, because go-redis fixes them when a client is made: the
// number of the database, and the hosts of a Cluster that it has found already.
type urlFile struct {
	*follow.File // Trouble

	cfg   Config
	hosts []string // at start-up; the client library dials these
	db    int
	inUse atomic.Pointer[endpoint]

	mu    sync.Mutex
	conns map[*followedConn]struct{} // that are open
	late  *time.Timer                // closes connections that stay open long after their retirement
}

// endpoint is the address of Redis and the credentials for it.
type endpoint struct {
	addrs          []string
	user, password string
	tls            *tls.Config // nil: no TLS
}

func readURL(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("REDIS_URL_FILE cannot be read: %w", err)
	}
	url, err := follow.Line(text)
	if err != nil {
		return "", fmt.Errorf("REDIS_URL_FILE (%s) holds no URL: %w", path, err)
	}
	return url, nil
}

// follow returns the follower of the file. The options o are those that the file gave at start-up.
func (c Config) follow(o *redis.UniversalOptions, log *slog.Logger, reg prometheus.Registerer) (*urlFile, error) {
	f := &urlFile{cfg: c, hosts: o.Addrs, db: o.DB, conns: map[*followedConn]struct{}{}}
	f.late = time.AfterFunc(retireAfter, f.closeRetired)
	var err error
	f.File, err = follow.Open(follow.Config{
		Path: c.URLFile, What: "redis URL", Metric: "llm_redis_url_stale_seconds", Take: f.take,
		Detail: func() slog.Attr { return slog.Any("hosts", f.inUse.Load().addrs) },
	}, log, reg)
	if err != nil {
		f.late.Stop()
		return nil, err
	}
	return f, nil
}

// take makes new connections use the URL in the file.
func (f *urlFile) take(text []byte) (inForce bool, err error) {
	c := f.cfg
	c.URLFile = ""
	if c.URL, err = follow.Line(text); err != nil {
		return false, err
	}
	o, err := c.options()
	if err != nil {
		return false, err
	}
	if o.DB != f.db {
		return false, fmt.Errorf("the number of the database has changed from %d to %d, which is read at start only: "+
			"restart the pods to change it", f.db, o.DB)
	}
	f.inUse.Store(&endpoint{o.Addrs, o.Username, o.Password, o.TLSConfig})
	f.late.Reset(retireAfter)
	return true, nil
}

func (f *urlFile) close() {
	_ = f.Close() // it never fails
	f.late.Stop()
}

// apply makes a client with the options o follow the file, if there is one.
func (f *urlFile) apply(o *redis.UniversalOptions) {
	if f.cfg.URLFile == "" {
		return
	}
	o.Addrs, o.DB = f.hosts, f.db // the file may have changed since; dial takes the hosts in it
	timeout := o.DialTimeout
	o.Username, o.Password, o.TLSConfig = "", "", nil
	o.CredentialsProviderContext = func(context.Context) (user, password string, err error) {
		e := f.inUse.Load()
		return e.user, e.password, nil
	}
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return f.dial(ctx, network, addr)
	}
}

// dial connects to addr, or to the host that has replaced it in the file.
func (f *urlFile) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	e := f.inUse.Load()
	if i := slices.Index(f.hosts, addr); i >= 0 {
		addr = e.addrs[i%len(e.addrs)]
	}
	conn, err := (&net.Dialer{KeepAlive: 5 * time.Minute}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	raw := conn
	if e.tls != nil {
		secure := tls.Client(conn, e.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secure
	}
	followed := &followedConn{Conn: conn, raw: raw, of: e, file: f}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[followed] = struct{}{}
	return followed, nil
}

// retireAfter is how long a retired connection may stay open, far longer than a command takes. Only the connections of
// subscriptions stay open so long: they listen to the former Redis until they are closed, and then are made anew.
const retireAfter = 10 * time.Second

func (f *urlFile) closeRetired() {
	f.mu.Lock()
	var late []*followedConn
	for c := range f.conns {
		if c.of != f.inUse.Load() {
			late = append(late, c)
		}
	}
	f.mu.Unlock()
	for _, c := range late {
		_ = c.Close()
	}
}

// followedConn is a connection that the pool drops before its next use when the file has changed since it was made.
type followedConn struct {
	net.Conn

	raw  net.Conn // below TLS
	of   *endpoint
	file *urlFile
}

// Close closes the connection.
func (c *followedConn) Close() error {
	c.file.mu.Lock()
	delete(c.file.conns, c)
	c.file.mu.Unlock()
	return c.Conn.Close()
}

var errRetired = errors.New("redis: the URL has changed since this connection was made")

// SyscallConn is called by the pool of go-redis, which checks a connection before each use.
func (c *followedConn) SyscallConn() (syscall.RawConn, error) {
	if c.file.inUse.Load() != c.of {
		return nil, errRetired
	}
	raw, ok := c.raw.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return raw.SyscallConn()
}
