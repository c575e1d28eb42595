package api

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/middleware"
)

// The inbound layers, in the order a request meets them, from the very list the router is built from.
func Example_inboundOrder() {
	all, err := layers(middleware.Config{AdmissionMax: 1}, Deps{Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry()})
	if err != nil {
		fmt.Println(err)
	}
	for i, l := range all {
		before := "every route"
		if i >= watching {
			before = "the vendor's routes"
		}
		fmt.Printf("%-12s before %s\n", l.name, before)
	}
	// Output:
	// tracing      before every route
	// request ID   before every route
	// access log   before every route
	// metrics      before every route
	// recover      before every route
	// admission    before the vendor's routes
	// SLA deadline before the vendor's routes
	// identity     before the vendor's routes
	// fail fast    before the vendor's routes
	// shedding     before the vendor's routes
	// user limit   before the vendor's routes
}
