package chart_test

import (
	"reflect"
	"testing"
)

// TestWhatAPlatformAsksFor checks that each value of the scenario platform appears in the objects: a value that no
// template reads would be ignored silently.
func TestWhatAPlatformAsksFor(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "platform")
	for _, c := range []struct {
		value, kind, name string
		path              []string
		want              any
	}{
		{"namespaceOverride", "Service", "llm-spillway", []string{"metadata", "namespace"}, "llm-system"},
		{"deploymentAnnotations", "Deployment", "llm-spillway", []string{"metadata", "annotations", "team"}, "llm"},
		{"extraObjects", "ConfigMap", "llm-extra", []string{"data", "namespace"}, "prod"},
		{"service.ipFamilyPolicy", "Service", "llm-spillway", []string{"spec", "ipFamilyPolicy"}, "PreferDualStack"},
		{"service.ipFamilies", "Service", "llm-spillway", []string{"spec", "ipFamilies"}, []any{"IPv4", "IPv6"}},
		{"service.externalTrafficPolicy", "Service", "llm-spillway",
			[]string{"spec", "externalTrafficPolicy"}, "Local"},
		{"service.loadBalancerClass", "Service", "llm-spillway",
			[]string{"spec", "loadBalancerClass"}, "example.com/internal"},
		{"service.loadBalancerSourceRanges", "Service", "llm-spillway", []string{"spec", "loadBalancerSourceRanges"},
			[]any{"10.0.0.0/8"}},
		{"keda.fallback", "ScaledObject", "llm-spillway", []string{"spec", "fallback"},
			map[string]any{"failureThreshold": 4.0, "replicas": 6.0}},
	} {
		if got := r.find(t, c.kind, c.name).at(c.path...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %s/%s has %v, want %v", c.value, c.kind, c.name, got, c.want)
		}
	}
	trigger := object(r.find(t, "ScaledObject", "llm-spillway").at("spec", "triggers").([]any)[0].(map[string]any))
	if got := trigger.at("authenticationRef", "name"); got != "prometheus" {
		t.Errorf("keda.authenticationRef: %v", got)
	}
	pod := object(r.find(t, "Deployment", "llm-spillway").at("spec", "template", "spec").(map[string]any))
	if spread := pod["topologySpreadConstraints"].([]any); len(spread) != 1 ||
		spread[0].(map[string]any)["topologyKey"] != "rack" {
		t.Errorf("topologySpreadConstraints: %v", spread)
	}
	volumes, mounts, variables := named(pod["volumes"]), named(serverContainer(t, r)["volumeMounts"]),
		named(serverContainer(t, r)["env"])
	if volumes["scratch"] == nil || mounts["scratch"]["mountPath"] != "/scratch" {
		t.Errorf("extraVolumes: %v %v", volumes["scratch"], mounts["scratch"])
	}
	if volumes["ca"].at("configMap", "name") != "corporate-ca" ||
		mounts["ca"]["mountPath"] != variables["SSL_CERT_DIR"]["value"] {
		t.Errorf("caBundle: %v %v %v", volumes["ca"], mounts["ca"], variables["SSL_CERT_DIR"])
	}
	pods := mustRender(t, "simulated", "caBundle.secret=private-ca").find(t, "Deployment", "llm-spillway")
	volume := named(pods.at("spec", "template", "spec", "volumes"))["ca"]
	if volume.at("secret", "secretName") != "private-ca" {
		t.Error("caBundle.secret is not mounted")
	}
}

// named are the members of a list by their name.
func named(list any) map[string]object {
	found := map[string]object{}
	for _, one := range list.([]any) {
		found[one.(map[string]any)["name"].(string)] = one.(map[string]any)
	}
	return found
}
