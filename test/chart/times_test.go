package chart_test

import (
	"strconv"
	"testing"
	"time"
)

// TestTimesNest checks inequalities between times in the rendered objects: a stopping pod loses no request, and an
// outer time limit is longer than an inner one.
func TestTimesNest(t *testing.T) {
	t.Parallel()
	for _, scenario := range scenarios(t) {
		for _, set := range []string{"limits.sla=60s", "limits.sla=90s,gateway.limits.requestTimeout=691s",
			"limits.streamMax=0s", "limits.streamMax=30m,limits.streamIdle=10m",
			"drain.preStopSeconds=30,drain.delay=20s", "limits.callTimeout=60s"} {
			t.Run(scenario+" "+set, func(t *testing.T) {
				t.Parallel()
				r := mustRender(t, scenario, set)
				data := settings(t, r)
				setting := func(name string) time.Duration { return duration(t, data["LLM_"+name].(string)) }
				pod := r.find(t, "Deployment", "llm-spillway").at("spec", "template", "spec").(map[string]any)
				server := object(pod["containers"].([]any)[0].(map[string]any))
				seconds := func(v any) time.Duration { return time.Duration(v.(float64)) * time.Second }
				preStop := seconds(server.at("lifecycle", "preStop", "sleep", "seconds"))
				grace := seconds(pod["terminationGracePeriodSeconds"])

				below := func(name string, a, b time.Duration) {
					t.Helper()
					if a >= b {
						t.Errorf("%s: %v is not below %v", name, a, b)
					}
				}
				below("queue < SLA", setting("QUEUE_TIMEOUT"), setting("SLA"))
				below("call <= SLA", setting("CALL_TIMEOUT"), setting("SLA")+1)
				below("call + queue < breaker lease", setting("CALL_TIMEOUT")+setting("QUEUE_TIMEOUT"),
					setting("BREAKER_LEASE"))
				longest := setting("SLA") + setting("STREAM_MAX")
				below("preStop + delay + SLA + longest stream < grace", preStop+setting("DRAIN_DELAY")+longest, grace)
				below("delay + SLA + longest stream <= the process's own grace",
					setting("DRAIN_DELAY")+longest, setting("SHUTDOWN_GRACE")+1)
				below("preStop + the process's own grace < grace", preStop+setting("SHUTDOWN_GRACE"), grace)
				belowGateway := func(name string, timeout any) {
					t.Helper()
					if limit := duration(t, timeout.(string)); limit == 0 && setting("STREAM_MAX") > 0 {
						t.Error("the gateway has no timeout, and streams have an end")
					} else if limit > 0 || setting("STREAM_MAX") > 0 {
						below(name, longest, limit)
					}
				}
				for _, o := range r.objects {
					switch o.kind() {
					case "BackendTrafficPolicy":
						belowGateway("SLA + longest stream < gateway",
							o.at("spec", "timeout", "http", "requestTimeout"))
						idle, set := data["LLM_IDLE_TIMEOUT"].(string)
						if !set {
							idle = "120s" // the service's default
						}
						unused := duration(t, o.at("spec", "timeout", "http", "connectionIdleTimeout").(string))
						below("the gateway's unused connection < the service's", unused, duration(t, idle))
						silence := duration(t, o.at("spec", "timeout", "http", "streamIdleTimeout").(string))
						below("an answer that is silent until its SLA < gateway's idle limit", setting("SLA"), silence)
						below("a pause of a stream < gateway's idle limit", setting("STREAM_IDLE"), silence)
						check := object(o.at("spec", "healthCheck", "active").(map[string]any))
						unready := duration(t,
							check["interval"].(string)) * time.Duration(check["unhealthyThreshold"].(float64))
						below("gateway's check < preStop", unready, preStop)
						below("gateway's check < drain delay", unready, setting("DRAIN_DELAY"))
						if o.at("spec", "retry") != nil || o.at("spec", "healthCheck", "passive") != nil {
							t.Error("the gateway retries, or ejects pods for the vendor's failures")
						}
					case "HTTPRoute":
						if rule := object(o.at("spec", "rules").([]any)[0].(map[string]any)); rule["timeouts"] != nil {
							belowGateway("SLA + longest stream < route", rule.at("timeouts", "request"))
						}
					}
				}
			})
		}
	}
}

func duration(tb testing.TB, text string) time.Duration {
	tb.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// TestReplicasHaveOneOwner is about the object that sets the number of pods, and about values that depend on the
// number.
func TestReplicasHaveOneOwner(t *testing.T) {
	t.Parallel()
	for _, scenario := range scenarios(t) {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			r := mustRender(t, scenario)
			replicas, owned := r.find(t, "Deployment", "llm-spillway").at("spec", "replicas").(float64)
			highest, scalers, budgets := int(replicas), 0, 0
			for _, o := range r.objects {
				switch o.kind() {
				case "HorizontalPodAutoscaler":
					scalers, highest = scalers+1, int(o.at("spec", "maxReplicas").(float64))
				case "ScaledObject":
					scalers, highest = scalers+1, int(o.at("spec", "maxReplicaCount").(float64))
					if o.at("spec", "minReplicaCount").(float64) < 1 {
						t.Error("KEDA would scale to nothing")
					}
				case "PodDisruptionBudget":
					budgets++
				}
			}
			if owned == (scalers == 1) || scalers > 1 {
				t.Errorf("replicas set: %v, autoscalers: %d", owned, scalers)
			}
			if owned && replicas == 1 && budgets > 0 {
				t.Error("a budget for one pod blocks every drain")
			}
			shares, err := strconv.Atoi(settings(t, r)["LLM_QUOTA_SHARES"].(string))
			if surge := (highest + 3) / 4; err != nil || shares < highest+surge {
				t.Errorf("%d shares (%v) for %d pods and %d more while they are replaced", shares, err, highest, surge)
			}
		})
	}
}
