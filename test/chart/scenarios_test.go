package chart_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// TestScenariosAreAcceptedByTheCluster renders every scenario with both versions of Helm and validates every object.
func TestScenariosAreAcceptedByTheCluster(t *testing.T) {
	t.Parallel()
	v, err := loadValidators()
	if err != nil {
		t.Fatal(err)
	}
	for helm, render := range helms {
		for _, scenario := range scenarios(t) {
			t.Run(helm+"/"+scenario, func(t *testing.T) {
				t.Parallel()
				files, err := render(values(t, scenario), nil)
				if err != nil {
					t.Fatal(err)
				}
				r, err := parse(files)
				if err != nil {
					t.Fatal(err)
				}
				if len(r.objects) < 8 {
					t.Errorf("only %d objects", len(r.objects))
				}
				for _, o := range r.objects {
					if err := v.check(o); err != nil {
						t.Errorf("%v: %v", o, err)
					}
				}
			})
		}
	}
}

// TestBothHelmsAgree compares what the two versions render, except random keys.
func TestBothHelmsAgree(t *testing.T) {
	t.Parallel()
	for _, scenario := range scenarios(t) {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			files, err := render3(values(t, scenario), nil)
			if err != nil {
				t.Fatal(err)
			}
			three, err := parse(files)
			if err != nil {
				t.Fatal(err)
			}
			four := mustRender(t, scenario)
			if four.notes != three.notes || len(four.objects) != len(three.objects) {
				t.Errorf("%d and %d objects, notes:\n%s\n%s", len(four.objects),
					len(three.objects), four.notes, three.notes)
			}
			for i, o := range four.objects {
				if a, b := flat("", o), flat("", three.objects[i]); o.kind() != "Secret" && !maps.Equal(a, b) {
					t.Errorf("%v: %s", o, difference(b, a))
				}
			}
		})
	}
}

// TestValidationIsStrict breaks valid objects: the validator must refuse them.
func TestValidationIsStrict(t *testing.T) {
	t.Parallel()
	v, err := loadValidators()
	if err != nil {
		t.Fatal(err)
	}
	r := mustRender(t, "production")
	for _, c := range []struct {
		kind, want string
		spoil      func(spec map[string]any)
	}{
		{"Deployment", "additional properties 'replicsa' not allowed",
			func(spec map[string]any) { spec["replicsa"] = 2 }},
		{"Deployment", "missing property 'selector'", func(spec map[string]any) { delete(spec, "selector") }},
		{"Deployment", "got string, want integer", func(spec map[string]any) { spec["minReadySeconds"] = "5" }},
		{"NetworkPolicy", "not allowed", func(spec map[string]any) { spec["engress"] = []any{} }},
		{"HTTPRoute", "spec.hostnamse", func(spec map[string]any) { spec["hostnamse"] = []any{} }},
		{"BackendTrafficPolicy", "Unsupported value",
			func(spec map[string]any) { spec["loadBalancer"].(map[string]any)["type"] = "Best" }},
		{"BackendTrafficPolicy", "targetRef", func(spec map[string]any) { delete(spec, "targetRefs") }}, // a CEL rule
		{"ScaledObject", "Required value", func(spec map[string]any) { delete(spec, "triggers") }},
	} {
		t.Run(c.kind+" "+c.want, func(t *testing.T) {
			t.Parallel()
			bad := object(plain(r.find(t, c.kind, "llm-spillway")).(map[string]any))
			c.spoil(bad["spec"].(map[string]any))
			if err := v.check(bad); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestPodsAreRestricted checks every pod against the strictest Pod Security standard.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pods := 0
	for _, o := range mustRender(t, "simulated").objects {
		template := o["spec"]
		if o.kind() != "Pod" {
			template = o.at("spec", "template", "spec")
		}
		if template == nil || o.at("spec", "template") == nil && o.kind() != "Pod" {
			continue
		}
		pods++
		var spec corev1.PodSpec
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(plain(template).(map[string]any),
			&spec); err != nil {
			t.Fatal(err)
		}
		for _, result := range evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted,
			Version: api.LatestVersion()}, &v1.ObjectMeta{}, &spec) {
			if !result.Allowed {
				t.Errorf("%v: %s: %s", o, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
		for _, c := range spec.Containers {
			if security := c.SecurityContext; security == nil || security.ReadOnlyRootFilesystem == nil ||
				!*security.ReadOnlyRootFilesystem {
				t.Errorf("%v: %s can write to its root", o, c.Name)
			}
			if memory := c.Resources; memory.Limits.Memory().IsZero() {
				t.Errorf("%v: %s has no memory limit", o, c.Name)
			}
			if c.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
				t.Errorf("%v: kubectl describe does not show why %s ended", o, c.Name)
			}
		}
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken ||
			spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
			t.Errorf("%v gets a token or service links", o)
		}
	}
	if pods != 4 {
		t.Errorf("%d kinds of pods, want server, redis, vendorsim and test", pods)
	}
}

// TestNamesMeetEachOther is about references that no schema checks: selectors, and the names of Services and Secrets.
func TestNamesMeetEachOther(t *testing.T) {
	t.Parallel()
	for _, scenario := range scenarios(t) {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			r := mustRender(t, scenario)
			for _, o := range r.objects {
				if o.kind() == "Service" {
					selects(t, r, o)
				}
			}
			text, err := json.Marshal(r.objects)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(
				`"(?:secretKeyRef":\{"key":"[^"]*","name|configMapRef":\{"name|secretName)":"(llm-spillway[^"]*)"`).FindAllStringSubmatch(string(text), -1) {
				if !strings.Contains(string(text), `"name":"`+m[1]+`"`) {
					t.Errorf("%s is used and not made", m[1])
				}
			}
		})
	}
}

// selects fails the test unless the Service's selector and port fit the pods of exactly one workload.
func selects(t *testing.T, r rendered, service object) {
	t.Helper()
	found := 0
	for _, o := range r.objects {
		labels, ok := o.at("spec", "template", "metadata", "labels").(map[string]any)
		if !ok {
			continue
		}
		fits := true
		for key, value := range service.at("spec", "selector").(map[string]any) {
			fits = fits && labels[key] == value
		}
		if fits {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%v selects %d workloads", service, found)
	}
}
