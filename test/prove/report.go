package prove

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spillway-dev/spillway/test/prose"
)

// finished is a scenario after its run.
type finished struct {
	scenario
	stage *Stage
}

// printTable prints claim, bar and figure of every check.
func printTable(all []finished) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nscenario\twhat\tbar\tmeasured\t")
	for _, f := range all {
		for i, c := range f.stage.checks {
			title := ""
			if i == 0 {
				title = f.title
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", title, c.what, c.bar, c.got, verdict(c.ok))
		}
	}
	_ = w.Flush()
}

func verdict(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}

// writeReport writes README.md and a picture for each scenario into dir.
func writeReport(dir string, all []finished, took time.Duration) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# What was measured with many pods\n\n<!-- Written by \"make prove\". -->\n\n")
	b.WriteString(prose.Wrap(introduction, ""))
	fmt.Fprintf(&b, "\n\nThis run: %s, %d CPUs for everything together (pods, Redis, vendor, clients), %s, "+
		"%s in all.\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), took.Round(time.Second))
	writeChecks(&b, all)
	for _, f := range all {
		if err := writeScenario(&b, dir, f); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(b.String()), 0o644)
}

const introduction = `
Each scenario runs real server processes, a real redis-server and the simulated vendor. The vendor keeps an exact log of
all calls and is the judge of its contract. A balancer gives each request to the next ready pod. Clients come at a fixed
rate, whether or not answers do. "make prove" runs all of this again and fails when a bar is missed. Times are shorter
than in production (a contract counts over seconds, not a minute), in about the same proportions. What one Redis
carries, and a thousand pods, are in [../scale.md](../scale.md).
`

// writeChecks writes the table of all bars and figures.
func writeChecks(b *strings.Builder, all []finished) {
	b.WriteString("| scenario | what | bar | measured | |\n|---|---|---|---|---|\n")
	for _, f := range all {
		for i, c := range f.stage.checks {
			title := ""
			if i == 0 {
				title = fmt.Sprintf("[%s](#%s)", f.title, anchor(f.title))
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", title, c.what, c.bar, c.got, verdict(c.ok))
		}
	}
}

// writeScenario writes one section of the page, and its picture into dir.
func writeScenario(b *strings.Builder, dir string, f finished) error {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", f.title, prose.Wrap(f.claim, ""))
	for _, n := range f.stage.notes {
		fmt.Fprintf(b, "\n%s\n", prose.Wrap(n, ""))
	}
	if len(f.stage.chart.Panels) == 0 {
		return nil
	}
	fmt.Fprintf(b, "\n![%s](%s.svg)\n", f.title, f.file)
	return f.stage.chart.write(f.title, filepath.Join(dir, f.file+".svg"))
}

// anchor returns the anchor that GitHub gives to a heading.
func anchor(title string) string {
	keep := func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-':
			return r
		}
		return -1
	}
	return strings.Map(keep, strings.ToLower(title))
}
