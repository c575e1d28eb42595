package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spillway-dev/spillway/test/scale/sim"
)

// leases prints what leases would save and cost, by their size and length. With a lease of one start, a pod asks for every
// call.
func leases(w io.Writer) error {
	fmt.Fprintln(w, "| pods | offered | starts in a lease | held for at most | scripts per request | contract used | fullest window | pods with less than half of the mean |\n|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, pods := range []int{size.Pods, size.Pods / 20} {
		for _, load := range []float64{0.8, 3} {
			for _, length := range []time.Duration{time.Second, 5 * time.Second} {
				for _, starts := range []int{1, 2, 10} {
					l := sim.Lease{Size: size, Starts: starts, Length: length, Load: load}
					l.Pods = pods
					if err := leaseRow(w, l); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func leaseRow(w io.Writer, l sim.Lease) error {
	r := l.Run()
	l.Hoard = true
	hoarded := l.Run()
	if r.RequestViolations+hoarded.RequestViolations > 0 {
		return fmt.Errorf("leases of %d for %v break the contract", l.Starts, l.Length)
	}
	fmt.Fprintf(w, "| %d | %.1f x | %d | %v | %.2f | %.1f %% | %.1f %% | %.0f %% |\n", l.Pods, l.Load, l.Starts, l.Length,
		float64(r.Asked)/float64(r.Offered), 100*r.Use, 100*max(r.Fullest, hoarded.Fullest), 100*r.Unlucky)
	return nil
}

// remembered prints what it would save if pods remembered for a while that they were refused.
func remembered(w io.Writer) error {
	fmt.Fprintln(w, "| pods | offered | remembered for at most | scripts per request | contract used | fullest window |\n|---:|---:|---:|---:|---:|---:|")
	for _, pods := range []int{size.Pods, size.Pods / 20} {
		for _, load := range []float64{3, 10} {
			for _, length := range []time.Duration{0, 200 * time.Millisecond, time.Second} {
				r, err := size.Remembering(pods, load, length).Run()
				if err != nil {
					return err
				}
				if r.RequestViolations > 0 {
					return fmt.Errorf("the contract is broken when refusals are remembered for %v", length)
				}
				fmt.Fprintf(w, "| %d | %.0f x | %v | %.2f | %.1f %% | %.1f %% |\n", pods, load, length,
					float64(r.Commands)/float64(r.Offered), 100*r.Use, 100*r.Fullest)
			}
		}
	}
	return nil
}
