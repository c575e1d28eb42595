package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// parse reads the flags. The environment is used for flags that are not given.
func parse(
	lookup func(string) (string, bool), args []string, stderr io.Writer,
) (addr string, cfg vendorsim.Config, err error) {
	flags := flag.NewFlagSet("vendorsim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&addr, "addr", "localhost:9091", "address to listen on")
	timing(flags, &cfg)
	contract(flags, &cfg.Contract)
	counting(flags, &cfg)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "vendorsim simulates an LLM vendor. Flags, or variables such as %s instead:\n",
			variable("contract-requests"))
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

// timing adds the flags about answers and their timing.
func timing(flags *flag.FlagSet, cfg *vendorsim.Config) {
	flags.TextVar(&cfg.Latency, "latency", vendorsim.Constant(0),
		"time to the first byte: 300ms, 100ms..500ms, or lognormal:300ms,2s (median and 99th percentile)")
	flags.IntVar(&cfg.CompletionTokens, "tokens", 32, "tokens of an answer, at most what the request allows")
	flags.Float64Var(&cfg.TokensPerSecond, "tokens-per-second", 50, "pace of a stream; 0 sends it at once")
	flags.IntVar(&cfg.ChunkTokens, "chunk-tokens", 0, "tokens in each chunk of a stream; 0 means 1")
	flags.Func("models", "models that exist, separated by commas; none: any model works", list(&cfg.Models))
	flags.Func("endpoints", "endpoints that exist, such as chat,embeddings,models; none: all", list(&cfg.Endpoints))
	flags.Func("keys", "API keys that are accepted, separated by commas; none: any key, and no key", list(&cfg.Keys))
	flags.Uint64Var(&cfg.Seed, "seed", 0, "seed of all random numbers")
}

// contract adds the flags about the contract.
func contract(flags *flag.FlagSet, c *vendorsim.Contract) {
	flags.IntVar(&c.Requests, "contract-requests", 0, "requests granted per window; 0 means no limit")
	flags.IntVar(&c.Tokens, "contract-tokens", 0, "tokens granted per window; 0 means no limit")
	flags.DurationVar((*time.Duration)(&c.Window), "contract-window", 0, "window of the contract; 0 means a minute")
	flags.BoolVar(&c.Enforce, "enforce", false,
		"refuse with 429 what goes beyond the contract; else count it as a violation")
}

// counting adds the flags about the counted tokens, and about the log of calls.
func counting(flags *flag.FlagSet, cfg *vendorsim.Config) {
	flags.IntVar(&cfg.Tokens.Reasoning, "reasoning-tokens", 0, "tokens of reasoning in each completion")
	flags.IntVar(&cfg.Tokens.Hidden, "hidden-tokens", 0, "tokens of reasoning that only the total has")
	flags.IntVar(&cfg.Tokens.CacheWrite, "cache-write-tokens", 0, "tokens of each prompt that are written into a cache")
	flags.IntVar(&cfg.Tokens.CacheRead, "cache-read-tokens", 0, "tokens of each prompt that are read from a cache")
	flags.BoolVar(&cfg.Tokens.Unsaid, "no-usage", false, "report no usage")
	flags.IntVar(&cfg.KeepCalls, "keep-calls", 0,
		"calls that /log remembers; 0 means 100,000, -1 none (for benchmarks)")
	flags.IntVar(&cfg.KeepRequests, "keep-requests", 0,
		"calls that /log remembers with their headers and bodies, at most 1,000")
}

// list reads texts separated by commas.
func list(into *[]string) func(string) error {
	return func(s string) error {
		*into = nil
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*into = append(*into, part)
			}
		}
		return nil
	}
}

// fromEnvironment sets every flag whose variable is not empty.
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

// variable returns the environment variable of a flag.
func variable(name string) string {
	return "VENDORSIM_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}
