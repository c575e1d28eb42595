package main

import (
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/live"
	"github.com/spillway-dev/spillway/internal/middleware"
)

// livePage shows what the pod does. It reads the metrics once a second when it is started.
func livePage(metrics prometheus.Gatherer, log *slog.Logger, probeIn func() time.Duration) *live.Live {
	pod, err := os.Hostname()
	if err != nil {
		pod = "unknown"
	}
	return live.New(live.Config{Pod: pod, Metrics: metrics, Log: log, ProbeIn: probeIn})
}

// told hands the page the requests that were refused or failed.
func told(page *live.Live) func(middleware.Refusal) {
	return func(r middleware.Refusal) {
		page.Refused(live.Refusal{RequestID: r.RequestID, Layer: r.Layer, Reason: r.Reason, Status: r.Status, At: r.At})
	}
}

// playOn gives the page what --dev has: faults of the simulated vendor, load, and a place on the main port. The streams
// of the page end when the pod drains, because the main port waits for its requests.
func playOn(svc *service, vendor string) {
	svc.page.Play(live.Playground{
		Service: func() string { return "http://" + reachable(svc.addr) },
		Vendor:  strings.TrimSuffix(vendor, chatPath),
		Keys:    playKeys(),
	})
	svc.handler = svc.page.Over(svc.handler)
	drain := svc.drain
	svc.drain = func() {
		drain()
		svc.page.Close()
	}
}
