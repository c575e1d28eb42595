package chart_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// fromElsewhere are metrics and labels that the service does not make itself.
var fromElsewhere = []string{
	// Kube-state-metrics.
	"kube_horizontalpodautoscaler_status_current_replicas", "kube_horizontalpodautoscaler_spec_max_replicas",
	"namespace", "service", "pod", "le", // Prometheus
}

// TestMetricsThatAreLookedAtExist parses every expression of the alerts, the dashboard and the autoscaler. A running
// service must export its metrics and labels.
func TestMetricsThatAreLookedAtExist(t *testing.T) {
	t.Parallel()
	exported := scrape(t)
	expressions := dashboardExpressions(t)
	for _, rule := range alertRules(t, mustRender(t, "monitoring")) {
		expressions["alert "+rule.Alert] = rule.Expr
	}
	scaler := mustRender(t, "keda").find(t, "ScaledObject", "llm-spillway")
	for _, trigger := range scaler.at("spec", "triggers").([]any) {
		expressions["autoscaler"] = object(trigger.(map[string]any)).at("metadata", "query").(string)
	}
	seen := map[string]bool{}
	for where, text := range expressions {
		for metric, used := range selectors(query(t, text)) {
			seen[metric] = true
			have, ok := exported[metric]
			if !ok && !slices.Contains(fromElsewhere, metric) {
				t.Errorf("%s: the service exports no %s", where, metric)
			}
			for _, label := range used {
				if ok && !slices.Contains(have, label) && !slices.Contains(fromElsewhere, label) {
					t.Errorf("%s: %s has no label %s", where, metric, label)
				}
			}
		}
	}
	for metric := range exported {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(metric, "")
		if strings.HasPrefix(metric, "llm_") && !seen[base] && !seen[base+"_bucket"] {
			t.Errorf("%s is not looked at: give it a place on the dashboard", metric)
		}
	}
}

// selectors lists the metrics of an expression, each with the labels that the expression matches or groups by.
func selectors(expr parser.Expr) map[string][]string {
	found := map[string][]string{}
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		vector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		used := found[vector.Name]
		for _, m := range vector.LabelMatchers {
			if m.Name != model.MetricNameLabel {
				used = append(used, m.Name)
			}
		}
		for _, parent := range path {
			if group, ok := parent.(*parser.AggregateExpr); ok {
				used = append(used, group.Grouping...)
			}
		}
		found[vector.Name] = used
		return nil
	})
	return found
}

// scrape runs the service, makes it answer and fail, and returns the labels of every exported metric. Metrics that
// exist only after a rare event are added from the code, without labels to check.
func scrape(tb testing.TB) map[string][]string {
	tb.Helper()
	admin := startDev(tb)
	resp, err := http.Get(admin + "/metrics")
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	text := expfmt.NewTextParser(model.UTF8Validation)
	families, err := text.TextToMetricFamilies(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	labels := map[string][]string{}
	for name, family := range families {
		var have []string
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				have = append(have, l.GetName())
			}
		}
		for _, suffix := range map[string][]string{"HISTOGRAM": {"_bucket",
			"_count", "_sum"}}[family.GetType().String()] {
			labels[name+suffix] = have
		}
		labels[name] = have
	}
	for name, have := range declared(tb) {
		if _, ok := labels[name]; !ok {
			labels[name] = have
		}
	}
	return labels
}

// declared reads CounterVec calls in the code: counters that an idle service does not have yet, with their labels.
// Those of a lane have the label lane too.
func declared(tb testing.TB) map[string][]string {
	tb.Helper()
	var files []string
	for _, pattern := range []string{"../../internal/*/*.go", "../../internal/*/*/*.go"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, some...)
	}
	found := map[string][]string{}
	const text = `"(?:[^"\\]|\\.)*"`
	call := regexp.MustCompile(`[cC]ounterVec\(\s*"(llm_[a-z_]+)",\s*` + text + `(?:\s*\+\s*` + text + `)*` +
		`((?:,\s*"[a-z]+")*),?\s*\)`)
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for _, m := range call.FindAllSubmatch(code, -1) {
			labels := regexp.MustCompile(`[a-z]+`).FindAllString(string(m[2]), -1)
			if strings.Contains(file, "internal/llm/") && !strings.Contains(file, "/chain/") {
				labels = append(labels, "lane")
			}
			found[string(m[1])] = labels
		}
	}
	if len(found) < 5 {
		tb.Fatalf("only %d counters found in the code", len(found))
	}
	return found
}

// startDev runs server --dev on free ports, asks it once, and returns its admin URL.
func startDev(tb testing.TB) string {
	tb.Helper()
	run := exec.Command(server, "--dev")
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tb.TempDir(), "LLM_ADDR=127.0.0.1:0",
		"LLM_ADMIN_ADDR=127.0.0.1:0", "LLM_SLOTS_MAX=5"}
	stderr, err := run.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := run.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = run.Process.Kill(); _ = run.Wait() })
	give := time.AfterFunc(time.Minute, func() { _ = run.Process.Kill() }) // the scanner ends then
	defer give.Stop()
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		var line struct {
			Msg       string `json:"msg"`
			Addr      string `json:"addr"`
			AdminAddr string `json:"admin_addr"`
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Msg != "serving" {
			continue
		}
		req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://"+line.Addr+"/llm",
			bytes.NewReader([]byte(`{"model":"m","messages":[]}`)))
		if err != nil {
			tb.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer dev-pro")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			tb.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
			tb.Fatalf("%s %s", resp.Status, body)
		}
		return "http://" + line.AdminAddr
	}
	tb.Fatal("the service did not start")
	return ""
}
