package chart_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestSetsOfValues renders values-chat.yaml, values-reasoning.yaml and values-batch.yaml: both versions of Helm and the
// service accept them, the schemas too, and they agree with docs/configuration.md.
func TestSetsOfValues(t *testing.T) {
	t.Parallel()
	rows := tableOfSets(t)
	v, err := loadValidators()
	if err != nil {
		t.Fatal(err)
	}
	for column, set := range []string{"chat", "reasoning", "batch"} {
		for helm, render := range helms {
			t.Run(helm+"/"+set, func(t *testing.T) {
				t.Parallel()
				files, err := render(setValues(t, set), nil)
				if err != nil {
					t.Fatal(err)
				}
				r, err := parse(files)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range r.objects {
					if err := v.check(o); err != nil {
						t.Errorf("%v: %v", o, err)
					}
				}
				check := exec.Command(server, "-check")
				check.Env = environment(t, r)
				if out, err := check.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
				data := settings(t, r)
				for _, row := range rows {
					name, want := row[1], row[2]
					if own := strings.Trim(row[3+column], "`"); own != "–" {
						want = own
					}
					if got, given := data[name]; given && got != want || !given && want != row[2] {
						t.Errorf("%s is %v, and %s in docs/configuration.md", name, got, want)
					}
				}
			})
		}
	}
}

// TestSetsOfValuesByTheService has the service check each column alone, as a user without the chart sets it.
func TestSetsOfValuesByTheService(t *testing.T) {
	t.Parallel()
	rows := tableOfSets(t)
	for column, set := range []string{"chat", "reasoning", "batch"} {
		check := exec.Command(server, "-check")
		check.Env = []string{"LLM_VENDOR_URL=https://vendor.example/v1", "LLM_REDIS_URL=redis://r",
			"LLM_API_KEYS_FILE=f"}
		for _, row := range rows {
			if own := strings.Trim(row[3+column], "`"); own != "–" {
				check.Env = append(check.Env, row[1]+"="+own)
			}
		}
		if out, err := check.CombinedOutput(); err != nil || len(check.Env) < 10 {
			t.Errorf("%s: %v: %s", set, err, out)
		}
	}
}

// tableOfSets are the rows of the table in docs/configuration.md: name, default, and a column for each set.
func tableOfSets(tb testing.TB) [][]string {
	tb.Helper()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		tb.Fatal(err)
	}
	rows := regexp.MustCompile(
		"(?m)^\\| `(LLM_[A-Z_]+)` \\| `([^`]*)` \\| (\\S+) \\| (\\S+) \\| (\\S+) \\|$").FindAllStringSubmatch(
		string(page), -1)
	if len(rows) < 10 {
		tb.Fatalf("%d rows in the table of sets", len(rows))
	}
	return rows
}

// setValues are the values of a set, with a simulated vendor.
func setValues(tb testing.TB, set string) map[string]any {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values-"+set+".yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string]any{}
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		tb.Fatal(err)
	}
	all["vendor"] = map[string]any{"simulated": true}
	return all
}
