package config

import (
	"fmt"
	"strings"
)

// row is one setting of the three sets of values: for chat, for reasoning models and for batches. The chart has the
// same sets as values-chat.yaml, values-reasoning.yaml and values-batch.yaml.
type row struct{ setting, chat, reasoning, batch string }

// sets are values that belong together. "–" leaves the default.
var sets = []row{
	{"QUEUE_TIMEOUT", "3s", "15s", "30s"},
	{"CALL_TIMEOUT", "30s", "10m", "5m"},
	{"FIRST_EVENT_TIMEOUT", "10s", "5m", none},
	{"STREAM_IDLE", "30s", "5m", none},
	{"STREAM_MAX", "5m", "30m", none},
	{"SLA", "60s", "12m", "15m"},
	{"BREAKER_LEASE", "38s", "620s", "335s"},
	{"SHUTDOWN_GRACE", "373s", "2533s", "1513s"},
	{"SLOTS", none, "150", none},
	{"ADMISSION_MAX", none, "400", none},
	{"RETRY_MAX", "2", "1", "6"},
	{"RETRY_MAX_DELAY", "2s", none, "60s"},
	{"JOBS_WORKERS", none, "20", "40"},
	{"JOBS_MAX_BODY", none, none, "8388608"},
	{"JOBS_MAX_AGE", none, none, "72h"},
	{"JOBS_RETENTION", none, none, "72h"},
}

// none stands where a set leaves the default.
const none = "–"

const setsHead = `
## Three sets of values

The defaults suit short answers, buffered or streamed. These values belong together for other uses; take a column as a
whole. The chart has the same as ` + "`values-chat.yaml`, `values-reasoning.yaml` and `values-batch.yaml`" + `.

- **Chat**: people wait. A stream that does not begin within 10 s fails, or goes to the fallback; no pause is longer
  than 30 s.
- **Reasoning models**: a buffered answer takes minutes, and a stream may think for minutes before its first event and
  between two. A call holds its slot as long, so there are more of them. A retry fits in only after a failure that came
  soon.
- **Batches**: jobs whose clients do not wait. They may wait, and they are retried for longer. A pod holds the bodies of
  the jobs it works on beside its memory budget, here up to 320 MiB: the chart's set gives it 1152 MiB of memory.

At start the service logs what its values rule out.

| variable | default | chat | reasoning models | batches |
|---|---|---|---|---|
`

// writeSets prints the sets beside the defaults.
func writeSets(b *strings.Builder) error {
	b.WriteString(setsHead)
	defaults := map[string]string{}
	each(func(_ section, all []setting) {
		for _, s := range all {
			defaults[s.Name] = s.Default
		}
	})
	code := func(value string) string {
		if value == none {
			return none
		}
		return "`" + value + "`"
	}
	for _, r := range sets {
		name := Prefix + "_" + r.setting
		def, known := defaults[name]
		if !known {
			return fmt.Errorf("the sets name %s, which is no setting", name)
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s | %s | %s |\n", name, def, code(r.chat), code(r.reasoning), code(r.batch))
	}
	return nil
}
