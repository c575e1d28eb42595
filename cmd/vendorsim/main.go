// Command vendorsim is the simulated vendor as a separate process: to try the service, for the chart without a real
// vendor, and as the judge of tests with many pods. Package vendorsim describes it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func main() {
	os.Exit(exit(run(context.Background(), os.LookupEnv, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// exit prints the error of run and returns the exit code.
func exit(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(stderr, "vendorsim:", err)
	return 1
}

// grace is the time for calls in flight to end.
const grace = 5 * time.Second

// run serves until ctx ends or a signal comes. A second signal ends the process at once.
func run(ctx context.Context, lookup func(string) (string, bool), args []string, stdout, stderr io.Writer) error {
	addr, cfg, err := parse(lookup, args, stderr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	sim, err := vendorsim.Start(ctx, addr, cfg)
	if err != nil {
		return err
	}
	defer sim.Close()
	fmt.Fprintf(stdout, "simulated vendor on %s, figures on /stats\n", sim.URL)
	select {
	case err := <-sim.Failed():
		return err
	case <-ctx.Done():
	}
	stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := sim.Shutdown(last); err != nil {
		fmt.Fprintln(stderr, "vendorsim: cut calls that were still in flight after", grace)
	}
	return nil
}
