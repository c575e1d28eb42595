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
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// urlFile follows the file that Redis's URL is in, so that a rotated password or another host needs no restart. New connections go
// where the file says, with the password that it says; connections made before are retired when they are next taken from the pool, so
// no command is cut. What go-redis fixes when a client is made does not follow: the number of the database, and which hosts of a
// Cluster it has already found.
type urlFile struct {
	path  string
	first []string // hosts at start-up; the client library dials these
	db    int
	log   *slog.Logger
	now   atomic.Pointer[endpoint]
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu    sync.Mutex
	conns map[*followedConn]time.Time // open ones; since when they were seen to be retired, zero for those that are not
}

// endpoint is where Redis is and how it is entered.
type endpoint struct {
	url            string
	addrs          []string
	user, password string
	tls            *tls.Config // nil: no TLS
}

// pollURL is how often the file is looked at: the kubelet, which writes it, takes longer.
const pollURL = 2 * time.Second

func readURL(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("REDIS_URL_FILE cannot be read: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// follow makes o go by the file from now on, until close.
func (c Config) follow(log *slog.Logger, o *redis.UniversalOptions) (*urlFile, error) {
	url, err := readURL(c.URLFile)
	if err != nil {
		return nil, err
	}
	f := &urlFile{path: c.URLFile, first: o.Addrs, db: o.DB, log: log, conns: map[*followedConn]time.Time{}}
	f.now.Store(&endpoint{url, o.Addrs, o.Username, o.Password, o.TLSConfig})
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.done.Go(func() {
		tick := time.NewTicker(pollURL)
		defer tick.Stop()
		failed := ""
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			f.closeRetired(time.Now())
			err := f.load(c)
			if err != nil && err.Error() != failed {
				log.LogAttrs(ctx, slog.LevelError, "the redis URL stays as it was", slog.Any("error", err))
			}
			failed = ""
			if err != nil {
				failed = err.Error()
			}
		}
	})
	return f, nil
}

func (f *urlFile) load(c Config) error {
	url, err := readURL(f.path)
	if err != nil || url == f.now.Load().url {
		return err
	}
	c.URL, c.URLFile = url, ""
	o, err := c.options()
	if err != nil {
		return err
	}
	if o.DB != f.db {
		return errors.New("REDIS_URL_FILE: the number of the database has changed, which takes a restart")
	}
	f.now.Store(&endpoint{url, o.Addrs, o.Username, o.Password, o.TLSConfig})
	f.log.LogAttrs(context.Background(), slog.LevelInfo, "the redis URL was read again", slog.Any("hosts", o.Addrs))
	return nil
}

func (f *urlFile) close() {
	if f != nil {
		f.stop()
		f.done.Wait()
	}
}

// apply makes a client with the options o go by the file.
func (f *urlFile) apply(o *redis.UniversalOptions) {
	if f == nil {
		return
	}
	timeout := o.DialTimeout
	o.Username, o.Password, o.TLSConfig = "", "", nil
	o.CredentialsProviderContext = func(context.Context) (user, password string, err error) {
		e := f.now.Load()
		return e.user, e.password, nil
	}
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return f.dial(ctx, network, addr)
	}
}

// dial connects to addr, or to what stands in its place now if it is one of the hosts at start-up.
func (f *urlFile) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	e := f.now.Load()
	if i := slices.Index(f.first, addr); i >= 0 {
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
	f.conns[followed] = time.Time{}
	return followed, nil
}

// retireAfter is how long a retired connection may still be used, which is far longer than a command takes. Only those of
// subscriptions are: they listen to the former Redis until they are closed, and are made anew then.
const retireAfter = 10 * time.Second

func (f *urlFile) closeRetired(now time.Time) {
	f.mu.Lock()
	var late []*followedConn
	for c, since := range f.conns {
		switch {
		case c.of == f.now.Load():
		case since.IsZero():
			f.conns[c] = now
		case now.Sub(since) > retireAfter:
			late = append(late, c)
		}
	}
	f.mu.Unlock()
	for _, c := range late {
		_ = c.Close()
	}
}

// followedConn is a connection that the pool drops, when it next looks at it, if the file has changed since.
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

// SyscallConn is what the pool of go-redis checks a connection with before each use.
func (c *followedConn) SyscallConn() (syscall.RawConn, error) {
	if c.file.now.Load() != c.of {
		return nil, errRetired
	}
	raw, ok := c.raw.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return raw.SyscallConn()
}
