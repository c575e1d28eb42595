package chart_test

import (
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	loader4 "helm.sh/helm/v4/pkg/chart/v2/loader"
)

// mustRenderIn renders with both versions of Helm in a cluster that holds some objects, and returns what Helm 4
// rendered.
func mustRenderIn(tb testing.TB, c cluster, scenario string, set ...string) rendered {
	tb.Helper()
	all := map[string]rendered{}
	for helm, render := range helms {
		files, err := render(values(tb, scenario, set...), c)
		if err != nil {
			tb.Fatal(err)
		}
		if all[helm], err = parse(files); err != nil {
			tb.Fatal(err)
		}
	}
	if three, four := len(all["helm3"].objects), len(all["helm4"].objects); three != four {
		tb.Errorf("Helm 3 renders %d objects and Helm 4 %d", three, four)
	}
	return all["helm4"]
}

// replicaSet is a ReplicaSet of the Deployment of r, with the fields that the chart reads.
func replicaSet(tb testing.TB, r rendered) object {
	tb.Helper()
	deployment := r.find(tb, "Deployment", "llm-spillway")
	return object{
		"apiVersion": "apps/v1", "kind": "ReplicaSet",
		"metadata": map[string]any{"name": "llm-spillway-1",
			"labels": deployment.at("spec", "template", "metadata", "labels")},
		"spec": map[string]any{"template": deployment.at("spec", "template")},
	}
}

// configName is the ConfigMap that the server's pods read.
func configName(tb testing.TB, r rendered) string {
	tb.Helper()
	from := serverContainer(tb, r)["envFrom"].([]any)[0].(map[string]any)
	return object(from).at("configMapRef", "name").(string)
}

// TestAnUpgradeKeepsTheFormerSettings is about a rollout that fails: pods of the former configuration that start again
// need its ConfigMap. It is removed with the last ReplicaSet that names it.
func TestAnUpgradeKeepsTheFormerSettings(t *testing.T) {
	t.Parallel()
	first := mustRender(t, "simulated")
	former := configName(t, first)
	inCluster := holding{first.find(t, "ConfigMap", former), replicaSet(t, first)}
	second := mustRenderIn(t, inCluster, "simulated", "config.BREAKER_OPEN=banana")
	if now := configName(t, second); now == former {
		t.Errorf("other settings have the same name %s", now)
	}
	kept := second.find(t, "ConfigMap", former)
	if !reflect.DeepEqual(kept["data"], first.find(t, "ConfigMap", former)["data"]) || kept["immutable"] != true {
		t.Errorf("the former settings are now %v", kept["data"])
	}
	if same := mustRenderIn(t, inCluster, "simulated"); len(same.objects) != len(first.objects) {
		t.Errorf("an upgrade without a change makes %d objects of %d", len(same.objects), len(first.objects))
	}
	for name, without := range map[string]holding{
		"no ReplicaSet": {first.find(t, "ConfigMap", former)},
		"another release's": {first.find(t, "ConfigMap", former),
			relabelled(replicaSet(t, first), "app.kubernetes.io/instance", "other")},
		"a ConfigMap that is gone": {replicaSet(t, first)},
	} {
		for _, o := range mustRenderIn(t, without, "simulated", "config.BREAKER_OPEN=5s").objects {
			if o.name() == former {
				t.Errorf("%s: the former settings are kept", name)
			}
		}
	}
}

func relabelled(o object, label, value string) object {
	c := object(plain(o).(map[string]any))
	c.at("metadata", "labels").(map[string]any)[label] = value
	return c
}

// templates returns the pod templates of all workloads, by the workload's kind and name.
func templates(objects []object) map[string]any {
	found := map[string]any{}
	for _, o := range objects {
		if template := o.at("spec", "template"); template != nil {
			found[o.String()] = template
		}
	}
	return found
}

// TestPodsAreReplacedForAReason makes changes that do not affect how a pod behaves. They must not change a pod
// template: that would replace every pod, and the bundled Redis would lose its limits and jobs.
func TestPodsAreReplacedForAReason(t *testing.T) {
	t.Parallel()
	before := templates(mustRender(t, "simulated", "image.tag=v1").objects)
	chart, err := loader4.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	chart.Metadata.Version, chart.Metadata.AppVersion = "9.9.9", "9.9.9"
	files, err := renderChart(chart, release, namespace, values(t, "simulated", "image.tag=v1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := parse(files)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]rendered{
		"another version of the chart": newer,
		"another number of pods":       mustRender(t, "simulated", "image.tag=v1,replicas=3"),
		"another vendor key's Secret":  mustRender(t, "simulated", "image.tag=v1"), // keys and passwords are random
		"another limit at a gateway":   mustRender(t, "simulated", "image.tag=v1,gateway.limits.connections=5"),
	} {
		if after := templates(r.objects); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %s", name, difference(flat("", after), flat("", before)))
		}
	}
	if after := templates(mustRender(t, "simulated",
		"image.tag=v1,limits.slots=60").objects); reflect.DeepEqual(before["Deployment/llm-spillway"],
		after["Deployment/llm-spillway"]) {
		t.Error("a new setting does not replace the pods, which read it at start")
	}
}

// TestSecretsThatChangeReplacePods is about Secrets of the chart that pods read only at their start.
func TestSecretsThatChangeReplacePods(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scenario, set string
		replaces      bool
	}{
		{"loadbalancer", "vendor.apiKey=other", true},
		{"cluster", "redis.external.url=redis://:other@redis:6379", false}, // a file that the pods follow
	} {
		before, after := templates(mustRender(t, c.scenario).objects),
			templates(mustRender(t, c.scenario, c.set).objects)
		if replaces := !reflect.DeepEqual(before["Deployment/llm-spillway"],
			after["Deployment/llm-spillway"]); replaces != c.replaces {
			t.Errorf("%s: %s replaces pods: %v", c.scenario, c.set, replaces)
		}
	}
}

// TestNumbersStayWhatTheyWere is about numbers from a values file, which templates see as floats.
func TestNumbersStayWhatTheyWere(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "platform",
		`vendor.url=,vendor.simulated=true,vendorsim.resources.limits.memory=1Gi,vendorsim.args={-quota-requests,1000000}`)
	env := environment(t, r)
	for _, want := range []string{"LLM_VENDOR_MAX_RESPONSE=33554432", "LLM_RETRY_BUDGET=0.05",
		"LLM_PPROF=true", "OTEL_BSP_MAX_QUEUE_SIZE=1000000"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %v", want, env)
		}
	}
	all := values(t, "simulated")
	all["vendorsim"] = map[string]any{"args": []any{"-quota-requests", 1e6}}
	all["quota"] = map[string]any{"tokens": 2e9}
	files, err := render4(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err = parse(files)
	if err != nil {
		t.Fatal(err)
	}
	sim := object(r.find(t, "Deployment", "llm-spillway-vendorsim").at("spec", "template", "spec",
		"containers").([]any)[0].(map[string]any))
	if args := sim["args"].([]any); args[len(args)-1] != "1000000" ||
		settings(t, r)["LLM_QUOTA_TOKENS"] != "2000000000" {
		t.Errorf("args %v, tokens %v", args, settings(t, r)["LLM_QUOTA_TOKENS"])
	}
	for name, text := range r.files {
		if strings.Contains(text, "e+0") && !strings.Contains(name, "monitoring") {
			t.Errorf("%s has a number with an exponent", name)
		}
	}
}

// TestEveryPodIsPulledAndScheduledAlike: also the pods of Redis, the simulator and the tests.
func TestEveryPodIsPulledAndScheduledAlike(t *testing.T) {
	t.Parallel()
	pods := 0
	for _, o := range mustRender(t, "platform",
		"vendor.url=,vendor.apiKey=,vendor.simulated=true,vendorsim.resources.limits.memory=1Gi,"+
			"imagePullSecrets[0].name=own,affinity.nodeAffinity.x=y").objects {
		spec, ok := o.at("spec", "template", "spec").(map[string]any)
		if o.kind() == "Pod" {
			spec, ok = o["spec"].(map[string]any)
		}
		if !ok {
			continue
		}
		pods++
		pod := object(spec)
		image := pod["containers"].([]any)[0].(map[string]any)["image"].(string)
		if !strings.HasPrefix(image, "mirror.example.com/hub/") || strings.Contains(image, "ghcr.io") ||
			strings.Contains(image, "docker.io") {
			t.Errorf("%v is pulled from %s", o, image)
		}
		if secrets := pod["imagePullSecrets"]; !reflect.DeepEqual(secrets,
			[]any{map[string]any{"name": "mirror"}, map[string]any{"name": "own"}}) {
			t.Errorf("%v has the pull secrets %v", o, secrets)
		}
		want := map[string]any{"pool": "general"}
		class := "high"
		if o.kind() == "StatefulSet" { // has its own
			want, class = map[string]any{"disk": "ssd"}, "storage"
		}
		if !reflect.DeepEqual(pod["nodeSelector"], want) || pod["priorityClassName"] != class ||
			pod["tolerations"] == nil || pod["affinity"] == nil {
			t.Errorf("%v is scheduled with %v", o, pod["nodeSelector"])
		}
		if o.at("metadata", "namespace") != "llm-system" {
			t.Errorf("%v is in the namespace %v", o, o.at("metadata", "namespace"))
		}
	}
	if pods != 4 {
		t.Errorf("%d pods, want server, redis, vendorsim and test", pods)
	}
}

// TestReleasesDoNotShareJobs is about releases on one Redis: a job goes to the vendor of the release that accepted it.
func TestReleasesDoNotShareJobs(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, r := range [][2]string{{"a", "prod"}, {"b", "prod"}, {"a", "dev"}} {
		files, err := render4As(r[0], r[1], values(t, "simulated"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range files {
			if _, rest, found := strings.Cut(text, "LLM_JOBS_NAME: "); found {
				name, _, _ := strings.Cut(rest, "\n")
				names[name] = true
			}
		}
	}
	if len(names) != 3 {
		t.Errorf("three releases have the names %v", slices.Sorted(maps.Keys(names)))
	}
	if name := settings(t, mustRender(t, "simulated", "jobs.name=shared"))["LLM_JOBS_NAME"]; name != "shared" {
		t.Errorf("jobs.name is not used: %v", name)
	}
}

// TestRedisHasAPasswordThatStays upgrades in a cluster that has the Secret of the first install.
func TestRedisHasAPasswordThatStays(t *testing.T) {
	t.Parallel()
	first := mustRender(t, "simulated")
	secret := first.find(t, "Secret", "llm-spillway-redis")
	password, err := base64.StdEncoding.DecodeString(secret.at("data", "password").(string))
	if err != nil || len(password) < 32 {
		t.Errorf("the password has %d letters: %v", len(password), err)
	}
	upgraded := mustRenderIn(t, holding{secret}, "simulated").find(t, "Secret", "llm-spillway-redis")
	if upgraded.at("data", "password") != secret.at("data", "password") {
		t.Error("an upgrade changes the password, which Redis reads at start")
	}
	redis := object(first.find(t, "StatefulSet", "llm-spillway-redis").at("spec", "template", "spec",
		"containers").([]any)[0].(map[string]any))
	if args := redis["args"].([]any); !slices.Contains(args, any("--requirepass")) ||
		!slices.Contains(args, any("$(REDIS_PASSWORD)")) {
		t.Errorf("Redis asks for no password: %v", args)
	}
	for _, o := range mustRender(t, "simulated", "redis.bundled.existingSecret=mine").objects {
		if o.String() == "Secret/llm-spillway-redis" {
			t.Error("a Secret is made beside the one of the user")
		}
	}
}

// TestRedisWithPersistenceKeepsItsFile checks everything that is needed for jobs to outlive the pod.
func TestRedisWithPersistenceKeepsItsFile(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "platform")
	pod := r.find(t, "StatefulSet", "llm-spillway-redis").at("spec", "template", "spec").(map[string]any)
	args := pod["containers"].([]any)[0].(map[string]any)["args"].([]any)
	i, dir := slices.Index(args, any("--appendonly")), slices.Index(args, any("--dir"))
	if i < 0 || args[i+1] != "yes" || dir < 0 || args[dir+1] != "/data" {
		t.Errorf("Redis writes nothing to /data: %v", args)
	}
	volume := object(pod["volumes"].([]any)[0].(map[string]any))
	claim, _ := volume.at("persistentVolumeClaim", "claimName").(string)
	if kept := r.find(t, "PersistentVolumeClaim", claim); kept.at("metadata", "annotations",
		"helm.sh/resource-policy") != "keep" {
		t.Error("the claim goes with the release")
	}
	for _, o := range mustRender(t, "platform", "redis.bundled.persistence.existingClaim=mine").objects {
		if o.kind() == "PersistentVolumeClaim" {
			t.Error("a claim is made beside the one of the user")
		}
	}
}
