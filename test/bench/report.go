//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
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

// compared prints the figures of the programs side by side: the bare forwarder, the service with its bars, then the others.
// Behind a figure stands its ratio to the bare forwarder's.
func (b *bench) compared(targets []*target, saturated, steady map[string]series) {
	fmt.Fprintf(b.out, "Medians of %d interleaved rounds of %v; %d connections, vendor latency 0, the server alone on one core of %d.\n\n", b.rounds, b.length, conns, cores())
	bare, full, others := targets[0].name, targets[1].name, targets[2:]
	fmt.Fprintf(b.out, "| | %s | %s | wanted | reached |", bare, full)
	for _, t := range others {
		fmt.Fprintf(b.out, " %s |", t.name)
	}
	fmt.Fprintf(b.out, "\n|---|---:|---:|---:|---|%s\n", strings.Repeat("---:|", len(others)))
	row := func(what string, all map[string]series, pick func(sample) float64, word func(ratio float64) string) {
		base := all[bare].of(pick)
		figure := func(name string) (string, float64) {
			own := all[name].of(pick)
			if median(base) < 1 {
				return fmt.Sprintf("%.1f", median(own)), 0
			}
			r := ratio(own, base)
			return fmt.Sprintf("%.0f (%.2f)", median(own), r), r
		}
		text, r := figure(full)
		fmt.Fprintf(b.out, "| %s | %.0f | %s | %s |", what, median(base), text, word(r))
		for _, t := range others {
			text, _ := figure(t.name)
			fmt.Fprintf(b.out, " %s |", text)
		}
		fmt.Fprintln(b.out)
	}
	none := func(float64) string { return "|" }
	atMost := func(bar float64) func(float64) string {
		return func(r float64) string { return verdict(r <= bar, fmt.Sprintf("at most %.1f", bar)) }
	}
	row("saturation: requests per second", saturated, func(s sample) float64 { return s.perSecond }, func(r float64) string { return verdict(r >= 1, "at least 1.0") })
	row("saturation: CPU per request, µs", saturated, func(s sample) float64 { return s.cpu }, atMost(1.1))
	row("saturation: Redis's CPU per request, µs", saturated, func(s sample) float64 { return s.redis }, none)
	if !b.quick {
		at := strconv.Itoa(steadyRate) + " requests/s: "
		row(at+"CPU per request, µs", steady, func(s sample) float64 { return s.cpu }, none)
		row(at+"Redis's CPU per request, µs", steady, func(s sample) float64 { return s.redis }, none)
		row(at+"p50, µs", steady, func(s sample) float64 { return s.p50 }, none)
		row(at+"p99, µs", steady, func(s sample) float64 { return s.p99 }, atMost(1.4))
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
		share, word := ratio(of[r.by].of(cpu), served.of(cpu)), " | "
		if r.bar > 0 {
			word = verdict(share < r.bar, fmt.Sprintf("under %.0f %%", 100*r.bar))
		}
		fmt.Fprintf(b.out, "| %s | %d | %.1f | %.1f %% | %s |\n", r.by, r.status, median(of[r.by].of(cpu)), 100*share, word)
	}
	fmt.Fprintln(b.out)
}

// remembered prints the memory of a request in flight.
func (b *bench) remembered(bare, full []float64) {
	fmt.Fprintf(b.out, "| memory | bare | spillway | wanted | reached |\n|---|---:|---:|---|---|\n| for each of %d requests in flight, KiB | %.1f | %.1f | %s |\n",
		inFlight, median(bare), median(full), verdict(median(full) <= 40, "at most 40"))
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
