package chart_test

import (
	"strings"
	"testing"
)

// TestLongNamesFit renders with the longest names of a release. What Kubernetes derives from a name must fit too: the
// label controller-revision-hash of a StatefulSet's pod is the StatefulSet's name, a dash and ten characters.
func TestLongNamesFit(t *testing.T) {
	t.Parallel()
	for _, release := range []string{strings.Repeat("a", 53), strings.Repeat("a", 45) + "-bcdefg", "llm"} {
		all := values(t, "simulated", "redis.bundled.persistence.enabled=true,redis.bundled.maxmemory=64mb")
		files, err := render4As(release, namespace, all, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parse(files)
		if err != nil {
			t.Fatal(err)
		}
		redis := ""
		for _, o := range r.objects {
			switch o.kind() {
			case "StatefulSet":
				redis = o.name()
				if n := len(redis) + len("-0123456789"); n > 63 || strings.Contains(redis, "--") {
					t.Errorf("the label of the pod of %v has %d characters", o, n)
				}
			case "Service":
				if len(o.name()) > 63 {
					t.Errorf("%v has %d characters", o, len(o.name()))
				}
			}
		}
		for _, kind := range []string{"Service", "Secret", "NetworkPolicy"} {
			r.find(t, kind, redis)
		}
		r.find(t, "PersistentVolumeClaim", redis+"-data")
		for _, file := range []string{"deployment.yaml", "redis.yaml"} {
			text := r.files["spillway/templates/"+file]
			if !strings.Contains(text, "{name: "+redis+", key: password}") {
				t.Errorf("%s does not name the Secret %s:\n%s", file, redis, text)
			}
		}
		if text := r.files["spillway/templates/deployment.yaml"]; !strings.Contains(text, "@"+redis+":6379") {
			t.Errorf("the URL of Redis does not name %s:\n%s", redis, text)
		}
	}
}
