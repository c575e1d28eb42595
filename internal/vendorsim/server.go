package vendorsim

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a Sim with a listener.
type Server struct {
	*Sim
	URL string // to POST to

	server http.Server
	cancel context.CancelFunc // of all calls
	busy   sync.WaitGroup     // the listener and each connection
	failed chan error
}

// Start starts a vendor on addr; on a free port of the loopback interface when addr is empty. The caller
// closes it.
func Start(ctx context.Context, addr string, cfg Config) (*Server, error) {
	sim, err := New(cfg)
	if err != nil {
		return nil, err
	}
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &Server{Sim: sim, URL: "http://" + listener.Addr().String() + "/v1/chat/completions",
		failed: make(chan error, 1)}
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.server = http.Server{
		Handler: sim, ReadHeaderTimeout: 10 * time.Second, ConnState: s.follow,
		BaseContext: func(net.Listener) context.Context { return calls },
	}
	s.busy.Go(func() { s.failed <- s.server.Serve(listener) })
	return s, nil
}

// follow counts connections: http.Server.Close does not wait for those that it closes.
func (s *Server) follow(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.busy.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.busy.Done()
	case http.StateActive, http.StateIdle:
	}
}

// Failed receives why the server has ended: http.ErrServerClosed after Shutdown or Close.
func (s *Server) Failed() <-chan error { return s.failed }

// Shutdown waits for the calls in flight, and cuts those that are left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	s.Close()
	return err
}

// Close cuts all calls and waits for their end.
func (s *Server) Close() {
	s.cancel()
	_ = s.server.Close()
	s.busy.Wait()
}
