package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// badUpgrade installs a setting that cannot be read, and then deletes every pod. The new pods must not start, and must
// say why. Pods with the old configuration must replace the deleted ones.
func badUpgrade(r *release) (string, error) {
	old, err := r.pods()
	if err != nil {
		return "", err
	}
	if err := r.helmInstall("upgrade", "--set=config.BREAKER_OPEN=banana", "--timeout=20s"); err == nil {
		return "", errors.New("helm upgrade --wait succeeded with a setting that cannot be read")
	}
	var why string
	if _, err := eventually(time.Minute, "a pod that says why it does not start", func() (bool, error) {
		out, err := r.kubectl("get", "pods", "-l", serverPods, "-o",
			`go-template={{range .items}}{{range .status.containerStatuses}}{{with .lastState.terminated}}{{.message}}{{end}}{{end}}{{end}}`)
		for line := range strings.Lines(out) {
			if strings.Contains(line, "BREAKER_OPEN") {
				why = strings.TrimSpace(line)
			}
		}
		return why != "", err
	}); err != nil {
		return "", err
	}
	if _, err := r.kubectl(append([]string{"delete", "pod", "--wait=false"}, old...)...); err != nil {
		return "", err
	}
	back, err := eventually(3*time.Minute, "2 ready pods of the former configuration", func() (bool, error) {
		pods, err := r.pods()
		if err != nil || strings.Contains(strings.Join(pods, " "), old[0]) ||
			strings.Contains(strings.Join(pods, " "), old[1]) {
			return false, err
		}
		out, err := r.kubectl("get", "deployment", fullName, "-o", "jsonpath={.status.readyReplicas}")
		return out == "2", err
	})
	if err != nil {
		return "", err
	}
	if a, err := r.ask(serviceURL); err != nil || a.Status != http.StatusOK {
		return "", fmt.Errorf("%+v %w", a, err)
	}
	if err := r.helmInstall("upgrade"); err != nil {
		return "", err
	}
	return fmt.Sprintf("refused; the pod says %q; both old pods deleted, 2 ready again after %.0f s; the next "+
		"upgrade went through", why, back.Seconds()), r.settled()
}

// newerChart upgrades to the same chart with another version. This must not replace a pod.
func newerChart(r *release) (string, error) {
	dir, err := os.MkdirTemp("", "chart")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(r.chart)); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "Chart.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path,
		[]byte(strings.ReplaceAll(string(text), "ersion: 0.1.0", "ersion: 0.1.1")), 0o644); err != nil {
		return "", err
	}
	uids := func() (string, error) {
		return r.kubectl("get", "pods", "-l", "app.kubernetes.io/instance="+releaseName, "-o",
			"jsonpath={.items[*].metadata.uid}")
	}
	before, err := uids()
	if err != nil {
		return "", err
	}
	newer := *r
	newer.chart = dir
	if err := newer.helmInstall("upgrade"); err != nil {
		return "", err
	}
	after, err := uids()
	if err != nil || before != after {
		return "", fmt.Errorf("the pods were %s and are %s: %w", before, after, err)
	}
	return fmt.Sprintf("%d pods, the bundled Redis among them, are the same", len(strings.Fields(after))), nil
}

// twoReleases makes another release use the first one's Redis. The jobs of the first must go to its own vendor.
func twoReleases(r *release) (string, error) {
	const other, jobs = "other", 20
	password, err := r.kubectl("get", "secret", fullName+"-redis", "-o",
		"go-template={{.data.password | base64decode}}")
	if err != nil {
		return "", err
	}
	// The policy admits only the release's own pods.
	if err := r.helmInstall("upgrade", "--set=networkPolicy.enabled=false"); err != nil {
		return "", err
	}
	second := *r
	second.name = other
	if err := second.helmInstall("install", "--set=networkPolicy.enabled=false,redis.bundled.enabled=false,replicas=2",
		"--set=redis.external.url=redis://:"+password+"@"+fullName+"-redis:6379"); err != nil {
		return "", err
	}
	defer r.removeOther(other)
	before, err := r.callsOf(vendorsim)
	if err != nil {
		return "", err
	}
	for range jobs {
		if a, err := r.askPreferring(serviceURL, "respond-async"); err != nil || a.Status != http.StatusAccepted {
			return "", fmt.Errorf("%+v %w", a, err)
		}
	}
	if _, err := eventually(2*time.Minute, "the first vendor has all jobs", func() (bool, error) {
		now, err := r.callsOf(vendorsim)
		return now >= before+jobs, err
	}); err != nil {
		return "", err
	}
	strayed, err := r.callsOf("services/" + other + "-spillway-vendorsim:http")
	if err == nil && strayed > 0 {
		err = fmt.Errorf("%d jobs of the first release went to the other's vendor", strayed)
	}
	return fmt.Sprintf("%d jobs of one release on the Redis of both: all at its own vendor", jobs), err
}

// removeOther uninstalls a second release, and deletes its keys, which an uninstall leaves.
func (r *release) removeOther(name string) {
	_, err := command("", "helm", "uninstall", name, "-n", r.namespace, "--wait")
	_, keysErr := r.kubectl("delete", "secret", name+"-spillway-api-keys")
	if err = errors.Join(err, keysErr); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
}

// killed deletes a pod under load, without a grace period. Only the requests in flight there may be lost: at most one
// of each client.
func killed(r *release) (string, error) {
	const clients = 14
	p, measured, err := r.loadAt(serviceURL, func() (string, error) {
		pods, err := r.pods()
		if err != nil {
			return "", err
		}
		if _, err := r.kubectl("delete", "pod", pods[0], "--grace-period=0", "--force"); err != nil {
			return "", err
		}
		return "1 of 2 pods killed", r.settled()
	})
	if err != nil {
		return "", err
	}
	if p.Failed > clients || p.Buffered == 0 || p.Streams == 0 {
		return "", fmt.Errorf("%s: %v; %s", p, p.Why, measured)
	}
	return fmt.Sprintf("%s, of %d clients; %s", p, clients, measured), nil
}
