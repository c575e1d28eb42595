package main

import (
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/live"
	"github.com/spillway-dev/spillway/internal/live/board"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// livePage shows what the pod does. It reads the metrics once a second when it is started. name is the service's, which
// its pods share.
func livePage(name string, metrics prometheus.Gatherer, rdb *redisx.Client, log *slog.Logger,
	probeIn func() time.Duration) *live.Live {
	pod, err := os.Hostname()
	if err != nil {
		pod = "unknown"
	}
	id := pod + "-" + rand.Text() // a container that starts again has the same host name
	return live.New(live.Config{Pod: pod, Metrics: metrics, Log: log, ProbeIn: probeIn,
		Board: board.New(rdb, name, id)})
}

// told hands the page the requests that were refused or failed.
func told(page *live.Live) func(middleware.Refusal) {
	return func(r middleware.Refusal) {
		page.Refused(live.Refusal{RequestID: r.RequestID, Layer: r.Layer, Reason: r.Reason, Status: r.Status, At: r.At})
	}
}

// playOn gives the page what --dev has: faults of the simulated vendor, load, and a place on the main port. The streams
// of the page end when the pod drains, because the main port waits for its requests.
func playOn(svc *service, vendor string, redis *devRedis) {
	with := live.Playground{
		Service: func() string { return "http://" + reachable(svc.addr) },
		Vendor:  vendorRoot(vendor),
		Keys:    playKeys(),
	}
	if redis.listener != nil {
		with.Freeze = redis.freeze
	}
	svc.page.Play(with)
	svc.handler = svc.page.Over(svc.handler)
	drain := svc.drain
	svc.drain = func() {
		drain()
		svc.page.Close()
	}
}
