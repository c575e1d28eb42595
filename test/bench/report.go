package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// median is the middle one of v, or of the two middle ones the higher.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(v))[len(v)/2]
}

func (s series) of(pick func(sample) float64) []float64 {
	var v []float64
	for _, one := range s {
		v = append(v, pick(one))
	}
	return v
}

// ratio is the median over the rounds of one's figure over the other's in the same round, which noise that lasts for longer than
// a round leaves alone.
func ratio(a, b []float64) float64 {
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, a[i]/b[i])
	}
	return median(v)
}

// verdict is a bar and whether it was reached.
func verdict(reached bool, bar string) string {
	if reached {
		return bar + " | yes"
	}
	return bar + " | **no**"
}

// compared prints the figures of two programs side by side.
func (b *bench) compared(bareFull, full, bareSteady, steady series, name string) {
	fmt.Fprintf(b.out, "Medians of %d interleaved rounds of %v; %d connections, vendor latency 0, server on one core of %d.\n\n", b.rounds, b.length, conns, runtime.NumCPU())
	fmt.Fprintf(b.out, "| | bare forwarder | %s | ratio | wanted | reached |\n|---|---:|---:|---:|---:|---|\n", name)
	row := func(what string, x, y series, pick func(sample) float64, bar float64, atLeast bool) {
		xs, ys := x.of(pick), y.of(pick)
		r, word := ratio(ys, xs), " | "
		switch {
		case bar > 0 && atLeast:
			word = verdict(r >= bar, fmt.Sprintf("at least %.1f", bar))
		case bar > 0:
			word = verdict(r <= bar, fmt.Sprintf("at most %.1f", bar))
		}
		fmt.Fprintf(b.out, "| %s | %.0f | %.0f | %.2f | %s |\n", what, median(xs), median(ys), r, word)
	}
	row("saturation: requests per second", bareFull, full, func(s sample) float64 { return s.perSecond }, 1, true)
	row("saturation: CPU per request, µs", bareFull, full, func(s sample) float64 { return s.cpu }, 1.1, false)
	fmt.Fprintf(b.out, "| saturation: Redis's CPU per request, µs | | %.1f | | | |\n", median(full.of(func(s sample) float64 { return s.redis })))
	if !b.quick {
		what := func(figure string) string { return fmt.Sprintf("%d requests/s: %s, µs", steadyRate, figure) }
		row(what("CPU per request"), bareSteady, steady, func(s sample) float64 { return s.cpu }, 0, false)
		fmt.Fprintf(b.out, "| %s | | %.1f | | | |\n", what("Redis's CPU per request"), median(steady.of(func(s sample) float64 { return s.redis })))
		row(what("p50"), bareSteady, steady, func(s sample) float64 { return s.p50 }, 0, false)
		row(what("p99"), bareSteady, steady, func(s sample) float64 { return s.p99 }, 1.4, false)
	}
	fmt.Fprintln(b.out)
}

// refused prints what it costs to say no, as a share of a served request of the same rounds.
func (b *bench) refused(all []refuser, of map[string]series, served series) {
	if len(all) == 0 {
		return
	}
	cpu := func(s sample) float64 { return s.cpu }
	fmt.Fprint(b.out, "| rejected by | status | CPU per request, µs | share of a served request | wanted | reached |\n|---|---:|---:|---:|---:|---|\n")
	for _, r := range all {
		share, word := ratio(of[r.name].of(cpu), served.of(cpu)), " | "
		if r.bar > 0 {
			word = verdict(share < r.bar, fmt.Sprintf("under %.0f %%", 100*r.bar))
		}
		fmt.Fprintf(b.out, "| %s | %d | %.1f | %.1f %% | %s |\n", r.name, r.status, median(of[r.name].of(cpu)), 100*share, word)
	}
	fmt.Fprintln(b.out)
}

// remembered prints the memory of a request in flight.
func (b *bench) remembered(kib float64) {
	fmt.Fprintf(b.out, "| memory | measured | wanted | reached |\n|---|---:|---:|---|\n| for each of 1,000 requests in flight, KiB | %.1f | %s |\n", kib, verdict(kib <= 40, "at most 40"))
}

// The marks in a page between which the tables stand.
const beginMark, endMark = "<!-- bench: begin -->\n", "<!-- bench: end -->"

// writeInto replaces what stands between the marks of the page at path.
func writeInto(path, tables string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(page), beginMark)
	_, tail, found := strings.Cut(rest, endMark)
	if !ok || !found {
		return fmt.Errorf("%s has no lines %q and %q", path, strings.TrimSpace(beginMark), endMark)
	}
	return os.WriteFile(path, []byte(head+beginMark+"\n"+tables+"\n"+endMark+tail), 0o644)
}
