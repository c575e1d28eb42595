package prove

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/proctest"
)

var (
	full   = flag.Bool("full", false, "run every scenario, in full")
	report = flag.String("report", "", "write the report of the run into this directory")
)

// TestMain builds the server once, and reports at the end.
func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(proctest.WithBinary("../..", "./cmd/server", func(path string) int {
		binary = path
		return runAndReport(m)
	}))
}

func runAndReport(m *testing.M) int {
	began := time.Now()
	code := m.Run()
	if len(ran) > 0 && testing.Verbose() {
		printTable(ran)
	}
	if *report != "" && code == 0 {
		if err := writeReport(*report, ran, time.Since(began)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// ran are the scenarios of this run.
var ran []finished

// TestScenarios runs the scenarios one after the other, so that none influences the figures of another.
//
//nolint:paralleltest // see above
func TestScenarios(t *testing.T) {
	for _, sc := range scenarios {
		if !*full && !sc.short {
			continue
		}
		t.Run(sc.file, func(t *testing.T) {
			s := &Stage{TB: t, Full: *full}
			ran = append(ran, finished{sc, s})
			sc.run(s)
			if len(s.checks) == 0 {
				t.Error("nothing was compared with a bar")
			}
		})
	}
}
