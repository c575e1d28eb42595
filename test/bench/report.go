//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// kind is the part of the table for a row.
type kind int

const (
	cost kind = iota
	speed
	memory
)

// figures are the measurements of one row by program, one for each round.
type figures map[string][]float64

// figuresOf picks one figure out of every sample.
func figuresOf[S any](samples map[string][]S, pick func(S) float64) figures {
	f := figures{}
	for name, all := range samples {
		for _, one := range all {
			f[name] = append(f[name], pick(one))
		}
	}
	return f
}

func itself(v float64) float64 { return v }

// row is one line of the table.
type row struct {
	kind kind
	what string
	figures

	// bar is the highest allowed figure of the service. ratio is the highest allowed quotient of that figure and the
	// bare forwarder's, or that of the program in against; least is the lowest allowed quotient. 0 means none.
	bar, ratio, least float64
	against           string
}

const (
	ownName, bareName, nginxName, besideName = "spillway", "bare", "nginx", "beside"
	pingName, sameName                       = "bare, and two PINGs", "bare, the same answer"
)

// nothing is the value of against for a figure without a ratio.
const nothing = "nothing"

func (b *bench) add(r row) { b.rows = append(b.rows, r) }

// report prints the table. A figure of the service is followed by its ratio to the figure that it is compared with.
func (b *bench) report(w io.Writer) {
	names := []string{ownName, bareName}
	for _, name := range []string{pingName, sameName, nginxName, besideName} {
		if slices.ContainsFunc(b.rows, func(r row) bool { return len(r.figures[name]) > 0 }) {
			names = append(names, name)
		}
	}
	fmt.Fprintf(w, "Medians of interleaved rounds; the measured program alone on one core of %d.\n\n", cores())
	fmt.Fprintf(w, "| | %s | bar | reached |\n|---|%s---|---|\n", strings.Join(names, " | "),
		strings.Repeat("---:|", len(names)))
	slices.SortStableFunc(b.rows, func(a, c row) int { return cmp.Compare(a.kind, c.kind) })
	for _, r := range b.rows {
		fmt.Fprintf(w, "| %s |", r.what)
		for _, name := range names {
			fmt.Fprintf(w, " %s |", r.cell(name))
		}
		fmt.Fprintf(w, " %s |\n", r.verdict())
	}
}

// cell is the figure of one program.
func (r row) cell(name string) string {
	own := r.figures[name]
	if len(own) == 0 {
		return ""
	}
	text := number(median(own))
	if base := r.figures[r.base()]; name != r.base() && len(base) > 0 && median(base) > 0 {
		text += fmt.Sprintf(" (%.2f)", ratio(own, base))
	}
	return text
}

func (r row) base() string { return cmp.Or(r.against, bareName) }

// verdict is the bar and whether the service reaches it.
func (r row) verdict() string {
	own, base := r.figures[ownName], r.figures[r.base()]
	than := cmp.Or(r.against, "bare")
	switch {
	case r.bar > 0:
		return reached(median(own) <= r.bar, "at most "+number(r.bar))
	case r.ratio > 0:
		return reached(ratio(own, base) <= r.ratio, fmt.Sprintf("at most %.2f x %s", r.ratio, than))
	case r.least > 0:
		return reached(ratio(own, base) >= r.least, fmt.Sprintf("at least %.2f x %s", r.least, than))
	}
	return "|"
}

func reached(yes bool, bar string) string {
	if yes {
		return bar + " | yes"
	}
	return bar + " | **no**"
}

// number formats v with three significant digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// median is the middle value of v, or the higher of the two middle values.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(v))[len(v)/2]
}

// ratio is the median over the rounds of the quotient of two figures of the same round. Noise that lasts longer than a
// round does not change it.
func ratio(a, b []float64) float64 {
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, a[i]/b[i])
	}
	return median(v)
}

// The lines in a page before and after the table.
const beginMark, endMark = "<!-- bench: begin -->\n", "<!-- bench: end -->"

// writeInto replaces the text between the marks of the page at path.
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
