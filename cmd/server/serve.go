package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/live"
	"github.com/spillway-dev/spillway/internal/streams"
)

// service is the result of build, ready to serve.
type service struct {
	cfg     config.ServerConfig
	log     *slog.Logger
	reg     prometheus.Registerer
	handler http.Handler // for clients
	admin   http.Handler // for operators
	started func()       // readiness on
	drain   func()       // readiness off
	streams *streams.Set // those that are open
	inside  atomic.Int64 // requests on the main port
	jobs    *jobs.Service
	page    *live.Live // nil: none
	greet   func()     // called when the service listens; may be nil

	playground *playground // nil: none

	addr, adminAddr net.Addr // where it listens, known once it does
}

// Limits that are not worth a setting.
const (
	headerTimeout  = 5 * time.Second // to send a request's headers
	maxHeaderBytes = 16 << 10
	maxAdminConns  = 64               // connections of operators, probes and Prometheus
	adminIdle      = 15 * time.Second // until an unused connection to the admin port is closed
	adminWrite     = 30 * time.Second // to take an answer of the admin port
)

// serve listens until ctx ends or a listener fails. Then it drains, so that no request of a balancer is lost.
func (s *service) serve(ctx context.Context) error {
	// Requests do not end with ctx, because the shutdown waits for them. cut ends them when the grace period is over.
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	var leaving atomic.Bool
	mainConns, err := s.listen(ctx, s.cfg.Addr, "ADDR", s.cfg.MaxConnections)
	if err != nil {
		return err
	}
	adminConns, err := s.listen(ctx, s.cfg.AdminAddr, "ADMIN_ADDR", maxAdminConns)
	if err != nil {
		return errors.Join(err, mainConns.Close())
	}
	if err := registerConnections(s.reg, connections{"main": mainConns, "admin": adminConns}); err != nil {
		return errors.Join(err, mainConns.Close(), adminConns.Close())
	}
	main := s.server(closeWhen(func() bool { return leaving.Load() || mainConns.crowded() }, s.count(s.handler)),
		s.cfg.IdleTimeout)
	main.BaseContext = func(net.Listener) context.Context { return requests }
	admin := s.adminServer(adminConns.crowded)
	s.addr, s.adminAddr = mainConns.Addr(), adminConns.Addr()

	failed := make(chan error, 3)
	var serving sync.WaitGroup
	serving.Go(func() { failed <- main.Serve(mainConns) })
	serving.Go(func() { failed <- admin.Serve(adminConns) })
	if s.jobs != nil {
		if err := s.jobs.Start(); err != nil {
			failed <- err
		}
	}
	if s.page != nil {
		s.page.Start()
	}
	s.started()
	s.log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("addr", s.addr.String()),
		slog.String("admin_addr", s.adminAddr.String()))
	if s.greet != nil {
		s.greet()
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	if s.jobs != nil { // at the same time as the requests: both have until the end of the grace period
		serving.Go(s.jobs.Stop)
	}
	err = errors.Join(err, s.shutDown(ctx, main, &leaving, cut))
	err = errors.Join(err, admin.Close()) // last, so that operators can watch the shutdown
	serving.Wait()
	return err
}

// listen opens addr for at most limit connections at a time.
func (s *service) listen(ctx context.Context, addr, name string, limit int) (*connLimit, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w. Choose another address with %s_%s", err, config.Prefix, name)
	}
	return newConnLimit(listener, limit), nil
}

// adminServer returns the server of the admin port. Its write timeout cuts readers that have stopped, which would
// otherwise hold all connections of the port, so that probes find none. A profile over some seconds has so many more:
// net/http/pprof adds them to the timeout of its server. The live page's stream sets a deadline for each event.
func (s *service) adminServer(crowded func() bool) *http.Server {
	server := s.server(closeWhen(crowded, s.admin), min(adminIdle, s.cfg.IdleTimeout))
	server.WriteTimeout = adminWrite
	return server
}

// server returns a server for h. It has no write timeout, which would cut streams. The SLA deadline and the idle limits
// of a stream bound an answer.
func (s *service) server(h http.Handler, idle time.Duration) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: min(headerTimeout, s.cfg.ReadTimeout),
		ReadTimeout:       s.cfg.ReadTimeout,
		IdleTimeout:       idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // mistakes of clients below HTTP
	}
}

// closeWhen closes connections after the current answer in two cases.
//
// The first case: leave reports true, because the pod is draining or has nearly all the connections it may have.
// Without this a client could send its next request on a kept connection just when the server closes it.
//
// The second case: the request is HTTP/1 and has a chunked body. It may also have had a Content-Length, which net/http
// removes silently. A proxy in front of this server that used the length would take the rest of the body for the next
// request. RFC 9112 (6.1) says that such a connection must be closed.
func closeWhen(leave func() bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if leave() || len(r.TransferEncoding) > 0 {
			w.Header()["Connection"] = closeConnection
		}
		next.ServeHTTP(w, r)
	})
}

var closeConnection = []string{"close"}
