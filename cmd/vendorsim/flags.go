package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// parse reads the flags, with the environment for those that are not given.
func parse(lookup func(string) (string, bool), args []string, stderr io.Writer) (addr string, cfg vendorsim.Config, err error) {
	flags := flag.NewFlagSet("vendorsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&addr, "addr", "localhost:9091", "address to listen on")
	flags.TextVar(&cfg.Latency, "latency", vendorsim.Constant(0), "time to the first byte: 300ms, 100ms..500ms, or lognormal:300ms,2s (median and 99th percentile)")
	flags.IntVar(&cfg.CompletionTokens, "tokens", 32, "tokens of an answer, at most what the request allows")
	flags.Float64Var(&cfg.TokensPerSecond, "tokens-per-second", 50, "pace of a stream; 0 sends it at once")
	flags.IntVar(&cfg.Contract.Requests, "contract-requests", 0, "requests granted per window; 0 means no limit")
	flags.IntVar(&cfg.Contract.Tokens, "contract-tokens", 0, "tokens granted per window; 0 means no limit")
	flags.DurationVar((*time.Duration)(&cfg.Contract.Window), "contract-window", 0, "window of the contract; 0 means a minute")
	flags.BoolVar(&cfg.Contract.Enforce, "enforce", false, "refuse with 429 what goes beyond the contract; else count it as a violation")
	flags.IntVar(&cfg.KeepCalls, "keep-calls", 0, "calls that /log remembers; 0 means 100,000, -1 none (for benchmarks)")
	flags.Uint64Var(&cfg.Seed, "seed", 0, "seed of all random numbers")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "vendorsim simulates an LLM vendor. Flags, or variables such as %s instead:\n", variable("contract-requests"))
		flags.PrintDefaults()
	}
	if err := fromEnvironment(flags, lookup); err != nil {
		return "", cfg, err
	}
	if err := flags.Parse(args); err != nil {
		return "", cfg, err
	}
	if flags.NArg() > 0 {
		return "", cfg, fmt.Errorf("takes only flags: %q", flags.Args())
	}
	return addr, cfg, nil
}

// fromEnvironment sets every flag whose variable is there and not empty.
func fromEnvironment(flags *flag.FlagSet, lookup func(string) (string, bool)) (err error) {
	flags.VisitAll(func(f *flag.Flag) {
		if value, ok := lookup(variable(f.Name)); ok && value != "" && err == nil {
			if bad := f.Value.Set(value); bad != nil {
				err = fmt.Errorf("%s=%q: %w", variable(f.Name), value, bad)
			}
		}
	})
	return err
}

// variable is the name of a flag in the environment.
func variable(name string) string {
	return "VENDORSIM_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}
