package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// ServerConfig holds the settings of the process itself: where it listens and how it ends.
type ServerConfig struct {
	// Address clients call.
	Addr string `split_words:"true" default:":8080" desc:"Address clients call."`
	// Address of /metrics, /livez, /readyz and pprof; never to be reached from outside the cluster.
	AdminAddr string `split_words:"true" default:":9090" desc:"Address of /metrics, /livez, /readyz and pprof; never to be reached from outside the cluster."`
	// Serve /debug/pprof on the admin port.
	Pprof bool `split_words:"true" default:"false" desc:"Serve /debug/pprof on the admin port."`
	// Let the live page make a simulated vendor fail, send load and freeze this pod's connections to Redis, for
	// requests that come through the loopback interface, as those of kubectl port-forward do. It does so only while
	// every lane's vendor is vendorsim. For trials: the chart sets it with vendor.simulated.
	Playground bool `split_words:"true" default:"false" desc:"Let the live page make a simulated vendor fail, send load and freeze this pod's connections to Redis, for requests that come through the loopback interface, as those of kubectl port-forward do. It does so only while every lane's vendor is vendorsim. For trials: the chart sets it with vendor.simulated."`
	// Lowest level logged: debug, info, warn or error. At debug every request has its line, rejected ones too.
	LogLevel slog.Level `split_words:"true" default:"info" desc:"Lowest level logged: debug, info, warn or error. At debug every request has its line, rejected ones too."`
	// Connections to the main port at a time, at least 1; further ones wait to be accepted. Above three quarters of it
	// a connection is closed after each answer. Each takes up to 40 KB before its first request is read.
	MaxConnections int `split_words:"true" default:"1000" desc:"Connections to the main port at a time, at least 1; further ones wait to be accepted. Above three quarters of it a connection is closed after each answer. Each takes up to 40 KB before its first request is read."`
	// Time a client may take to send a whole request, its body included. Streams of answers are not touched by it.
	ReadTimeout time.Duration `split_words:"true" default:"30s" desc:"Time a client may take to send a whole request, its body included. Streams of answers are not touched by it."`
	// Time an unused keep-alive connection stays open. Above the gateway's own idle limit, so that the gateway is the
	// one to close.
	IdleTimeout time.Duration `split_words:"true" default:"120s" desc:"Time an unused keep-alive connection stays open. Above the gateway's own idle limit, so that the gateway is the one to close."`
	// Time the pod keeps accepting after SIGTERM while it is already unready, so that every balancer has noticed. 0
	// stops accepting at once.
	DrainDelay time.Duration `split_words:"true" default:"5s" desc:"Time the pod keeps accepting after SIGTERM while it is already unready, so that every balancer has noticed. 0 stops accepting at once."`
	// Time from SIGTERM until what is still in flight is cut. At least DRAIN_DELAY + SLA; below DRAIN_DELAY + SLA +
	// STREAM_MAX long streams are cut. Keep terminationGracePeriodSeconds some seconds above it.
	ShutdownGrace time.Duration `split_words:"true" default:"670s" desc:"Time from SIGTERM until what is still in flight is cut. At least DRAIN_DELAY + SLA; below DRAIN_DELAY + SLA + STREAM_MAX long streams are cut. Keep terminationGracePeriodSeconds some seconds above it."`
}

// Validate reports every value that makes no sense.
func (c ServerConfig) Validate() error {
	var errs []error
	for name, addr := range map[string]string{"ADDR": c.Addr, "ADMIN_ADDR": c.AdminAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			errs = append(errs, fmt.Errorf("%s is %q: use host:port, or :port for every interface", name, addr))
		}
	}
	if _, port, err := net.SplitHostPort(c.Addr); err == nil && port != "0" && c.Addr == c.AdminAddr {
		errs = append(errs, fmt.Errorf("ADDR and ADMIN_ADDR are both %q: give the admin port another address", c.Addr))
	}
	for name, d := range map[string]time.Duration{"READ_TIMEOUT": c.ReadTimeout, "IDLE_TIMEOUT": c.IdleTimeout,
		"SHUTDOWN_GRACE": c.ShutdownGrace} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v: use a positive duration such as 30s", name, d))
		}
	}
	if c.MaxConnections < 1 {
		errs = append(errs, fmt.Errorf("MAX_CONNECTIONS is %d: use at least 1", c.MaxConnections))
	}
	if c.DrainDelay < 0 {
		errs = append(errs, fmt.Errorf("DRAIN_DELAY is %v: use 0 or more", c.DrainDelay))
	}
	return errors.Join(errs...)
}
