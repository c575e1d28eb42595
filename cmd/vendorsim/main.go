// Command vendorsim is the simulated vendor as a process of its own: for trying the service, for the chart without a real
// vendor, and as the judge of tests with many pods. Package vendorsim says what it can do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "vendorsim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var cfg vendorsim.Config
	flags := flag.NewFlagSet("vendorsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "localhost:9091", "address to listen on")
	flags.TextVar(&cfg.Latency, "latency", vendorsim.Constant(0), "time to the first byte: 300ms, 100ms..500ms, or lognormal:300ms,2s (median and 99th percentile)")
	flags.IntVar(&cfg.CompletionTokens, "tokens", 32, "tokens of an answer, at most what the request allows")
	flags.Float64Var(&cfg.TokensPerSecond, "tokens-per-second", 50, "pace of a stream; 0 sends it at once")
	flags.IntVar(&cfg.Contract.Requests, "contract-requests", 0, "requests granted per window; 0 means no limit")
	flags.IntVar(&cfg.Contract.Tokens, "contract-tokens", 0, "tokens granted per window; 0 means no limit")
	window := flags.Duration("contract-window", time.Minute, "window of the contract")
	flags.BoolVar(&cfg.Contract.Enforce, "enforce", false, "refuse with 429 what goes beyond the contract; else count it as a violation")
	flags.Uint64Var(&cfg.Seed, "seed", 0, "seed of all random numbers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("takes only flags: %q", flags.Args())
	}
	cfg.Contract.Window = vendorsim.Duration(*window)
	sim, err := vendorsim.New(cfg)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "simulated vendor on http://%s/v1/chat/completions, figures on /stats\n", listener.Addr())
	return serve(ctx, listener, sim)
}

// serve serves until ctx ends, and then gives calls under way a moment.
func serve(ctx context.Context, listener net.Listener, sim *vendorsim.Sim) error {
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := errors.Join(server.Shutdown(last), server.Close())
	if failure := <-failed; !errors.Is(failure, http.ErrServerClosed) {
		err = errors.Join(err, failure)
	}
	return err
}
