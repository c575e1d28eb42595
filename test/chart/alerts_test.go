package chart_test

import (
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"sigs.k8s.io/yaml"
)

// alertRules are the rules of a scenario, read by Prometheus' own code.
func alertRules(tb testing.TB, r rendered) []rulefmt.Rule {
	tb.Helper()
	text, err := yaml.Marshal(r.find(tb, "PrometheusRule", "llm-spillway").at("spec"))
	if err != nil {
		tb.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}),
		slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		tb.Fatal(errs)
	}
	return groups.Groups[0].Rules
}

const (
	pod   = `{namespace="prod",service="llm-spillway",pod="a"`
	other = `{namespace="prod",service="other",pod="x"`
)

// TestAlertsFireWhenTheyShould loads series of an hour, one sample a minute, and checks which alerts fire at the end.
// The contract of the lane default is 600 calls and 200,000 tokens a minute. The lane mini has ten times that.
func TestAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	all := alertRules(t, mustRender(t, "monitoring"))
	calm := `
llm_slots` + pod + `} 50x60
llm_redis_up` + pod + `} 1x60
llm_breaker_state` + pod + `,lane="default"} 0x60
llm_vendor_attempts_total` + pod + `,lane="default",result="ok"} 0+300x60
llm_tokens_total` + pod + `,lane="default",direction="prompt"} 0+90000x60
llm_quota_usable_per_second` + pod + `,lane="default",resource="requests"} 9.05x60
llm_quota_usable_per_second` + pod + `,lane="default",resource="tokens"} 2923x60
llm_quota_usable_per_second` + pod + `,lane="mini",resource="requests"} 90.5x60
llm_quota_usable_per_second` + pod + `,lane="mini",resource="tokens"} 29230x60
llm_quota_decisions_total` + pod + `,lane="default",decision="at_once",mode="shared"} 0+300x60
llm_quota_wait_seconds_bucket` + pod + `,lane="default",le="0.5"} 0+10x60
llm_quota_wait_seconds_bucket` + pod + `,lane="default",le="+Inf"} 0+10x60
llm_jobs_oldest_seconds` + pod + `,priority="low"} 40000x60
llm_jobs_processed_total` + pod + `,priority="low",state="succeeded"} 0+90x60
`
	tested := map[string]bool{}
	for _, c := range []struct {
		name, series string
		want         []string
	}{
		{"all is calm", "", nil},
		{"calls near the contract", `llm_vendor_attempts_total` + pod +
			`,lane="default",result="client_error"} 0+200x60`, []string{"SpillwayContractNearlyUsed"}},
		{"calls well below it",
			`llm_vendor_attempts_total` + pod + `,lane="default",result="client_error"} 0+180x60`, nil},
		{"tokens near the contract", `llm_tokens_total` + pod + `,lane="default",direction="completion"} 0+75000x60`,
			[]string{"SpillwayContractNearlyUsed"}},
		{"calls of another lane near its contract", `llm_vendor_attempts_total` + pod +
			`,lane="mini",result="ok"} 0+5000x60`, []string{"SpillwayContractNearlyUsed"}},
		{"tokens of another lane near its contract", `llm_tokens_total` + pod +
			`,lane="mini",direction="prompt"} 0+1650000x60`, []string{"SpillwayContractNearlyUsed"}},
		{"another lane well below its contract", `llm_vendor_attempts_total` + pod +
			`,lane="mini",result="ok"} 0+4500x60`, nil},
		{"the contract of another lane turns calls away", `llm_quota_decisions_total` + pod +
			`,lane="mini",decision="at_once",mode="shared"} 0+9x60
llm_quota_decisions_total` + pod + `,lane="mini",decision="rejected",mode="shared"} 0+1x60`, []string{"SpillwayContractExhausted"}},
		{"breaker of another lane open", `llm_breaker_state` + pod + `,lane="mini"} 0x50 2x9`,
			[]string{"SpillwayBreakerOpen"}},
		{"vendor of another lane fails for a third", `llm_vendor_attempts_total` + pod +
			`,lane="mini",result="ok"} 0+10x60
llm_vendor_attempts_total` + pod + `,lane="mini",result="status_5xx"} 0+5x60`, []string{"SpillwayVendorFailing"}},
		{"long waits for the quota of a lane with few calls", `llm_quota_wait_seconds_bucket` + pod +
			`,lane="mini",le="2"} 0x60
llm_quota_wait_seconds_bucket` + pod + `,lane="mini",le="3"} 0+0.2x60
llm_quota_wait_seconds_bucket` + pod + `,lane="mini",le="+Inf"} 0+0.2x60`, []string{"SpillwayQueueWaitNearLimit"}},
		{"only for five minutes", `llm_tokens_total` + pod +
			`,lane="default",direction="completion"} 0x55 100000+100000x4`, nil},
		{"a release beside it",
			`llm_vendor_attempts_total` + other + `,lane="default",result="timeout"} 0+900x60`, nil},
		{"quota turns calls away", `llm_quota_decisions_total` + pod +
			`,lane="default",decision="rejected",mode="shared"} 0+30x60`, []string{"SpillwayContractExhausted"}},
		{"quota turns a few away", `llm_quota_decisions_total` + pod +
			`,lane="default",decision="rejected",mode="shared"} 0+10x60`, nil},
		{"a key file with a bad line", `llm_api_keys_stale_seconds` + pod + `} 0x50 60+60x9`,
			[]string{"SpillwayKeysStale"}},
		{"a key file that was mended", `llm_api_keys_stale_seconds` + pod + `} 0x50 60+60x7 0`, nil},
		{"a vendor's key file that is empty", `llm_vendor_key_stale_seconds` + pod + `,lane="default"} 0x50 60+60x9`,
			[]string{"SpillwaySecretStale"}},
		{"a file of the Redis URL that is missing", `llm_redis_url_stale_seconds` + pod + `} 0x50 60+60x9`,
			[]string{"SpillwaySecretStale"}},
		{"a vendor's key file that was mended", `llm_vendor_key_stale_seconds` + pod +
			`,lane="default"} 0x50 60+60x7 0`, nil},
		{"breaker open", `llm_breaker_state{namespace="prod",service="llm-spillway",pod="b",lane="default"} 0x50 2x9`,
			[]string{"SpillwayBreakerOpen"}},
		{"breaker open with probes between",
			`llm_breaker_state{namespace="prod",service="llm-spillway",pod="b",lane="default"} 0x50 2 1 2 1 2 1 2 1 2`,
			[]string{"SpillwayBreakerOpen"}},
		{"breaker opened a minute ago",
			`llm_breaker_state{namespace="prod",service="llm-spillway",pod="b",lane="default"} 0x58 2`, nil},
		{"vendor fails for a third", `llm_vendor_attempts_total` + pod +
			`,lane="default",result="status_5xx"} 0+150x60`, []string{"SpillwayVendorFailing"}},
		{"clients err and leave",
			`llm_vendor_attempts_total` + pod + `,lane="default",result="client_gone"} 0+150x60`, nil},
		{"a pod cannot send, a key was rotated, requests ran out of time",
			`llm_vendor_attempts_total` + pod + `,lane="default",result="not_sent"} 0+55x60
llm_vendor_attempts_total` + pod + `,lane="default",result="key_changed"} 0+55x60
llm_vendor_attempts_total` + pod + `,lane="default",result="deadline"} 0+55x60`, nil},
		{"the vendor refuses the key", `llm_vendor_attempts_total` + pod + `,lane="default",result="auth"} 0x50 1+1x9`,
			[]string{"SpillwayVendorAccount"}},
		{"the account is out of credit", `llm_vendor_attempts_total` + pod +
			`,lane="default",result="quota"} 0x50 1+1x9`, []string{"SpillwayVendorAccount"}},
		{"one call was out of credit",
			`llm_vendor_attempts_total` + pod + `,lane="default",result="quota"} 0x50 1x9`, nil},
		{"free is shed", `llm_shed_total` + pod + `,tier="free",reason="shed"} 0+60x60`, []string{"SpillwayShedding"}},
		{"three are shed once", `llm_shed_total` + pod + `,tier="free",reason="shed"} 0x30 3x29`, nil},
		{"memory is nearly used", `llm_memory_used_bytes` + pod + `,use="body"} 60x60
llm_memory_used_bytes` + pod + `,use="answer"} 15x60
llm_memory_budget_bytes` + pod + `} 100x60`, []string{"SpillwayMemoryNearlyUsed"}},
		{"memory is used for a moment", `llm_memory_used_bytes` + pod + `,use="body"} 60x50 75x9
llm_memory_budget_bytes` + pod + `} 100x60`, nil},
		{"memory is used up", `llm_memory_rejections_total` + pod + `} 0+60x60`, []string{"SpillwayMemoryUsedUp"}},
		{"pods are full", `llm_admission_rejections_total` + pod + `} 0+60x60`, []string{"SpillwayPodsFull"}},
		{"one pod without Redis", `llm_redis_up{namespace="prod",service="llm-spillway",pod="b"} 1x50 0x9`,
			[]string{"SpillwayRedisFallback"}},
		{"Redis was away for a minute",
			`llm_redis_up{namespace="prod",service="llm-spillway",pod="b"} 1x50 0 1x8`, nil},
		{"Redis refuses commands", `llm_redis_commands_total` + pod + `,result="refused"} 0x40 1+1x19`,
			[]string{"SpillwayRedisRefuses"}},
		{"Redis refused one", `llm_redis_commands_total` + pod + `,result="refused"} 0x40 1x19`, nil},
		{"Redis is full", `llm_redis_full` + pod + `} 0x50 1x9`, []string{"SpillwayRedisFull"}},
		{"Redis was full for a minute", `llm_redis_full` + pod + `} 0x50 1 0x8`, nil},
		{"long waits for the quota", `llm_quota_wait_seconds_bucket` + pod + `,lane="default",le="2"} 0+10x60
llm_quota_wait_seconds_bucket` + pod + `,lane="default",le="3"} 0+200x60
llm_quota_wait_seconds_bucket` + pod + `,lane="default",le="+Inf"} 0+200x60`, []string{"SpillwayQueueWaitNearLimit"}},
		{"long waits for a slot", `llm_slots_wait_seconds_bucket` + pod + `,le="3"} 0x60
llm_slots_wait_seconds_bucket` + pod + `,le="5"} 0+100x60
llm_slots_wait_seconds_bucket` + pod + `,le="+Inf"} 0+100x60`, []string{"SpillwayQueueWaitNearLimit"}},
		{"long waits for a lane's share of the slots", `llm_lane_slots_wait_seconds_bucket` + pod +
			`,lane="mini",le="3"} 0x60
llm_lane_slots_wait_seconds_bucket` + pod + `,lane="mini",le="5"} 0+100x60
llm_lane_slots_wait_seconds_bucket` + pod + `,lane="mini",le="+Inf"} 0+100x60`, []string{"SpillwayQueueWaitNearLimit"}},
		{"a job half as old as it may become", `llm_jobs_oldest_seconds` + pod + `,priority="normal"} 43300x60`,
			[]string{"SpillwayJobsTooOld"}},
		{"another service's job is", `llm_jobs_oldest_seconds` + other + `,priority="normal"} 43300x60`, nil},
		{"an eighth of the jobs fail, and as many are cancelled as done", `llm_jobs_processed_total` + pod +
			`,priority="high",state="failed"} 0+13x60
llm_jobs_processed_total` + pod + `,priority="high",state="cancelled"} 0+90x60`, []string{"SpillwayJobsFailing"}},
		{"less than a tenth of them",
			`llm_jobs_processed_total` + pod + `,priority="high",state="failed"} 0+9x60`, nil},
		{"many fail at once", `llm_jobs_processed_total` + pod + `,priority="high",state="failed"} 0x46 3000x12`, nil},
		{"a job was set aside", `llm_jobs_processed_total` + pod + `,priority="high",state="poisoned"} 0x40 1x19`,
			[]string{"SpillwayJobPoisoned"}},
		{"jobs wait for the operator", `llm_jobs_retried_total` + pod + `,reason="operator"} 0x40 1+1x19`,
			[]string{"SpillwayJobsWaitForOperator"}},
		{"jobs are handed back", `llm_jobs_retried_total` + pod + `,reason="handed_back"} 0x40 1+1x19`, nil},
		{"the memory for jobs is nearly used", `llm_jobs_bytes` + pod + `} 900x60
llm_jobs_bytes_limit` + pod + `} 1000x60`, []string{"SpillwayJobMemoryNearlyUsed"}},
		{"it is half used", `llm_jobs_bytes` + pod + `} 500x60
llm_jobs_bytes_limit` + pod + `} 1000x60`, nil},
		{"autoscaler at its maximum",
			`kube_horizontalpodautoscaler_status_current_replicas{namespace="prod",horizontalpodautoscaler="llm-spillway"} 10x60
kube_horizontalpodautoscaler_spec_max_replicas{namespace="prod",horizontalpodautoscaler="llm-spillway"} 10x60`, []string{"SpillwayAutoscalerAtMaximum"}},
		{"KEDA's at its maximum",
			`kube_horizontalpodautoscaler_status_current_replicas{namespace="prod",horizontalpodautoscaler="keda-hpa-llm-spillway"} 10x60
kube_horizontalpodautoscaler_spec_max_replicas{namespace="prod",horizontalpodautoscaler="keda-hpa-llm-spillway"} 10x60`, []string{"SpillwayAutoscalerAtMaximum"}},
		{"autoscaler below",
			`kube_horizontalpodautoscaler_status_current_replicas{namespace="prod",horizontalpodautoscaler="llm-spillway"} 9x60
kube_horizontalpodautoscaler_spec_max_replicas{namespace="prod",horizontalpodautoscaler="llm-spillway"} 10x60`, nil},
		{"nothing is scraped", "-", []string{"SpillwayNoMetrics"}},
	} {
		for _, name := range c.want {
			tested[name] = true
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			series := calm + c.series
			if c.series == "-" {
				series = `llm_slots` + other + `} 50x60`
			}
			if got := firing(t, all, series); !slices.Equal(got, c.want) {
				t.Errorf("firing: %v, want %v", got, c.want)
			}
		})
	}
	for _, rule := range all {
		if !tested[rule.Alert] {
			t.Errorf("no case makes %s fire", rule.Alert)
		}
	}
}

// TestAlertsWithoutAContract is about a release without quota: alerts about the quota must not fire.
func TestAlertsWithoutAContract(t *testing.T) {
	t.Parallel()
	all := alertRules(t, mustRender(t, "monitoring", "quota.requests=0,quota.tokens=0"))
	got := firing(t, all, `
llm_slots`+pod+`} 50x60
llm_quota_usable_per_second`+pod+`,lane="default",resource="requests"}`+strings.Repeat(" Inf", 60)+`
llm_quota_usable_per_second`+pod+`,lane="default",resource="tokens"}`+strings.Repeat(" Inf", 60)+`
llm_vendor_attempts_total`+pod+`,lane="default",result="ok"} 0+90000x60
llm_tokens_total`+pod+`,lane="default",direction="prompt"} 0+900000000x60`)
	if len(got) > 0 {
		t.Errorf("firing: %v", got)
	}
}

// TestWaitsAreMeasuredFarEnough: a quantile is never above the last bucket of its histogram, so that an alert whose
// threshold is above that would never fire.
func TestWaitsAreMeasuredFarEnough(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../internal/llm/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	buckets := regexp.MustCompile(`(?m)^var WaitBuckets = .* ([0-9]+)}$`).FindSubmatch(source)
	if buckets == nil {
		t.Fatal("WaitBuckets are not where this test looks")
	}
	last, _ := strconv.ParseFloat(string(buckets[1]), 64)
	for _, set := range []string{"chat", "reasoning", "batch"} {
		values := setValues(t, set)
		values["metrics"] = map[string]any{"prometheusRule": map[string]any{"enabled": true}}
		files, err := render4(values, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parse(files)
		if err != nil {
			t.Fatal(err)
		}
		thresholds := 0
		for _, rule := range alertRules(t, r) {
			for _, m := range regexp.MustCompile(`> (0\.[0-9]+) \* ([0-9]+)`).FindAllStringSubmatch(rule.Expr, -1) {
				if rule.Alert != "SpillwayQueueWaitNearLimit" {
					continue
				}
				share, _ := strconv.ParseFloat(m[1], 64)
				seconds, _ := strconv.ParseFloat(m[2], 64)
				if thresholds++; share*seconds >= last {
					t.Errorf("%s: the alert fires above %v s, and waits are measured up to %v s", set,
						share*seconds, last)
				}
			}
		}
		if thresholds != 3 {
			t.Errorf("%s: %d thresholds, want 3", set, thresholds)
		}
	}
}

// firing evaluates the rules once a minute for an hour and lists the alerts that fire at the end. It fails the test
// when the annotations of an alert cannot be filled in.
func firing(t *testing.T, all []rulefmt.Rule, series string) (names []string) {
	t.Helper()
	db := promqltest.LoadedStorage(t, "load 1m\n  "+strings.ReplaceAll(strings.TrimSpace(series), "\n", "\n  "))
	engine := promqltest.NewTestEngine(t, false, 5*time.Minute, 1e6)
	query := rules.EngineQueryFunc(engine, db)
	for _, r := range all {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		alert := rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), 0, labels.FromMap(r.Labels),
			labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
		for minute := range 60 {
			if _, err := alert.Eval(t.Context(), 0,
				time.Unix(0, 0).Add(time.Duration(minute)*time.Minute), query, nil, 0); err != nil {
				t.Fatalf("%s: %v", r.Alert, err)
			}
		}
		fires := false
		for _, a := range alert.ActiveAlerts() {
			if a.State != rules.StateFiring {
				continue
			}
			fires = true
			if text := a.Annotations.String(); strings.Contains(text, "<error") || strings.Contains(text, "no value") ||
				a.Labels.Get("severity") == "" {
				t.Errorf("%s: %s %s", r.Alert, a.Labels, text)
			}
		}
		if fires {
			names = append(names, r.Alert)
		}
	}
	return names
}

// TestEveryAlertHasARunbook compares the alerts with the sections of docs/operations.md, which explain what to do. The
// title of a section is the name of its alert, without the name of the service.
func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		sections[title] = body
	}
	for _, rule := range alertRules(t, mustRender(t, "monitoring")) {
		title := strings.TrimPrefix(rule.Alert, "Spillway")
		body, found := sections[title]
		delete(sections, title)
		for _, part := range []string{"**Means**", "**Look at**", "**Do**"} {
			if !strings.Contains(body, part) {
				t.Errorf("docs/operations.md has no %s of %s (section there: %v)", part, rule.Alert, found)
			}
		}
		if url, end := rule.Annotations["runbook_url"], "/docs/operations.md#"+
			strings.ToLower(title); !strings.HasSuffix(url, end) {
			t.Errorf("%s: runbook_url is %q, which does not end with %s", rule.Alert, url, end)
		}
	}
	for title := range sections {
		t.Errorf("docs/operations.md has a section %q, and there is no such alert", title)
	}
}
