package api

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/middleware"
)

// The inbound layers, in the order a request meets them, from the list the router is built from.
func Example_inboundOrder() {
	cfg := middleware.Config{AdmissionMax: 1}
	all, err := layers(cfg, Deps{Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry()},
		new(middleware.Concurrency))
	if err != nil {
		fmt.Println(err)
	}
	for _, l := range all {
		skip := ""
		if l.jobsSkip {
			skip = ", jobs skip it"
		}
		fmt.Printf("%-12s before %s%s\n", l.name, l.scope, skip)
	}
	// Output:
	// tracing      before every request
	// request ID   before every request
	// access log   before every request
	// metrics      before every request
	// CORS         before every request
	// recover      before every request
	// admission    before every caller
	// SLA deadline before every caller
	// identity     before every caller
	// header limit before every caller
	// user concurrency before every call
	// fail fast    before every call, jobs skip it
	// shedding     before every call, jobs skip it
	// user limit   before every counted request
}
