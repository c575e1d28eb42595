package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/test/scale/sim"
)

// pictured are the scenarios that get a picture, by the beginning of their names.
var pictured = map[string]string{
	"Redis is killed":          "scale-redis-killed.svg",
	"half of the pods cut off": "scale-cut-off.svg",
	"gates of all pods shut":   "scale-late-starts.svg",
	"the vendor answers 429":   "scale-retry-after.svg",
}

// scenarios runs all scenarios, as many at a time as there are processors, and prints their table.
func scenarios(w io.Writer, pictures string) error {
	list := append(size.Scenarios(), size.Chaos())
	results, errs := make([]sim.Result, len(list)), make([]error, len(list))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				results[i], errs[i] = list[i].Run()
			}
		})
	}
	for i := range list {
		next <- i
	}
	close(next)
	workers.Wait()
	fmt.Fprintf(w, "%d pods, a contract of %d calls in %v, queue timeout %v, %d windows, seed %d.\n\n",
		size.Pods, size.Requests, size.Window, size.Queue, size.Windows, size.Seed)
	fmt.Fprintln(w, "| scenario | contract | fullest window | used | from shares | scripts per request | "+
		"longest queue at Redis |\n|---|---|---:|---:|---:|---:|---:|")
	for i, s := range list {
		errs[i] = errors.Join(errs[i], row(w, s, results[i]))
		for name, file := range pictured {
			if pictures != "" && strings.HasPrefix(s.Name, name) {
				errs[i] = errors.Join(errs[i], drawRun(filepath.Join(pictures, file), s.Name, results[i]))
			}
		}
	}
	return errors.Join(errs...)
}

// row prints the result of a scenario. It returns an error when the result is not the expected one.
func row(w io.Writer, s sim.Scenario, r sim.Result) error {
	verdict, use := "holds", r.Use
	if s.Params.Quota.Tokens > 0 {
		use = r.UseOf
	}
	broken := r.RequestViolations+r.TokenViolations > 0
	if broken {
		verdict = "**broken**"
	}
	fmt.Fprintf(w, "| %s | %s | %.1f %% | %.1f %% | %.0f %% | %.2f | %v |\n", s.Name, verdict, 100*r.Fullest, 100*use,
		100*float64(r.Alone)/float64(max(1, r.Requests)), float64(r.Commands)/float64(max(1, r.Offered)),
		r.Longest.Round(10*time.Microsecond))
	if broken != (s.Breaks != "") {
		return fmt.Errorf("%s: the contract is broken: %t, expected: %q", s.Name, broken, s.Breaks)
	}
	return nil
}
