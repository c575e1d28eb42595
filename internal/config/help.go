package config

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spillway-dev/spillway/internal/llm/chain"
)

// WriteHelp prints every setting as a table for a terminal.
func WriteHelp(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VARIABLE\tDEFAULT\tMEANING")
	each(func(s section, all []setting) {
		for _, s := range all {
			fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, cmp.Or(s.Default, "-"), s.About)
		}
	})
	eachOfLane(func(s setting, inherits bool) {
		def, about := cmp.Or(s.Default, "-"), s.About
		if inherits {
			def, about = "inherited", "As "+strings.Replace(s.Name, lanePattern, Prefix+"_", 1)+", for the lane <NAME>."
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, def, about)
	})
	return table.Flush()
}

// WritePage prints docs/configuration.md.
func WritePage(w io.Writer) error {
	var b strings.Builder
	b.WriteString(pageHead)
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;") // Markdown would take them for its own
	each(func(s section, all []setting) {
		fmt.Fprintf(&b, "\n## %s\n\n| variable | default | meaning |\n|---|---|---|\n", s.title)
		for _, s := range all {
			def := "–"
			if s.Default != "" {
				def = "`" + s.Default + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, def, escape.Replace(s.About))
		}
	})
	b.WriteString(laneHead)
	var inherited []string
	eachOfLane(func(s setting, inherits bool) {
		if inherits {
			inherited = append(inherited, "`"+strings.TrimPrefix(s.Name, lanePattern)+"`")
			return
		}
		fmt.Fprintf(&b, "| `%s` | – | %s |\n", s.Name, escape.Replace(s.About))
	})
	fmt.Fprintf(&b, "| `%s…` | see above | the lane's own %s |\n", lanePattern, strings.Join(inherited, ", "))
	if err := writeSets(&b); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lanePattern stands for the beginning of the names of any further lane's settings.
const lanePattern = lanePrefix + "<NAME>_"

const laneHead = `
## Further lanes

Each name in ` + "`LLM_LANES`" + ` is a lane: a vendor's address and key, a contract, a breaker and a pacer of its own.
` + "`LLM_LANE_<NAME>_…`" + ` has the lane's name in capitals, as ` + "`LLM_LANE_MINI_VENDOR_URL`" + `. A lane inherits from the
settings above what it does not set, with three exceptions: its contract (` + "`QUOTA_REQUESTS`, `QUOTA_TOKENS`" + `,
` + "`QUOTA_BURST`" + `) is its own and has to be set, be it to 0, once any lane has one; so are ` + "`FALLBACK` and `MODEL`" + `;
and a lane whose ` + "`VENDOR_URL`" + ` has another host inherits no key, header or name of the vendor.

| variable | default | meaning |
|---|---|---|
`

// eachOfLane visits the settings of a further lane, under the names of their pattern.
func eachOfLane(visit func(s setting, inherits bool)) {
	for _, s := range settings(lanePrefix+"NAME", &chain.FurtherLane{}) {
		s.Name = strings.Replace(s.Name, lanePrefix+"NAME_", lanePattern, 1)
		visit(s, s.Name != lanePattern+"MODELS")
	}
}

const pageHead = `# Configuration

<!-- Generated from the Config structs by "make generate"; a test fails when it is stale. -->

The service is configured by environment variables only. ` + "`server -config-help`" + ` prints this list. A variable that
is set and empty counts as absent. Values that cannot be read, names that do not exist and values that contradict each
other are all reported at once at start, with what to change; the service does not start with any of them.

Durations are written ` + "`500ms`, `30s`, `5m`" + `; lists ` + "`a,b`" + ` or ` + "`name:value,name:value`" + `, with
or without spaces around the commas.

Three standard variables are honoured beside these: ` + "`GOMEMLIMIT`" + ` (the chart sets it from the memory limit; the
service then collects garbage less often while memory is plentiful, unless ` + "`GOGC`" + ` is set),
` + "`OTEL_EXPORTER_OTLP_ENDPOINT`" + ` and the rest of the ` + "`OTEL_*`" + ` family (traces, as OTLP over HTTP; nothing is
recorded or dialled without an endpoint), and ` + "`HTTPS_PROXY`/`NO_PROXY`" + ` for calls to the vendor and for spans:
a collector in the cluster belongs into ` + "`NO_PROXY`" + `.
`

// each visits every section with its settings.
func each(visit func(section, []setting)) {
	var c Config
	for _, s := range c.sections() {
		visit(s, settings(s.prefix, s.spec))
	}
}
