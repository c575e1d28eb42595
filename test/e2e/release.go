package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// release is the chart's release under test.
type release struct {
	name                                    string // of the Helm release
	namespace, image, loadImage, chart, dir string
	traefik                                 string // image of Traefik; empty leaves the gateway out
}

// Names that follow from the release's name, llm.
const (
	releaseName = "llm"
	fullName    = "llm-spillway"
	keysSecret  = "llm-spillway-api-keys"
	serverPods  = "app.kubernetes.io/instance=llm,app.kubernetes.io/component=server"
)

// prepare makes the namespace, in which only pods that pass the restricted Pod Security standard are let in.
func (r *release) prepare() error {
	if _, err := r.kubectl("create", "namespace", r.namespace); err != nil {
		return fmt.Errorf("%w (an earlier run's? kubectl delete namespace %s)", err, r.namespace)
	}
	_, err := r.kubectl("label", "namespace", r.namespace, "pod-security.kubernetes.io/enforce=restricted")
	return err
}

// cleanUp deletes the namespace. What has pods goes first: with a pod in it Kubernetes looks at a namespace again only
// after half of the pod's grace period, however soon the pod has ended.
func (r *release) cleanUp() {
	_, podsErr := r.kubectl("delete", "deployments,statefulsets,pods", "--all", "--cascade=foreground",
		"--timeout=180s")
	_, err := r.kubectl("delete", "namespace", r.namespace, "--timeout=180s")
	if err = errors.Join(podsErr, err); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
}

// helmInstall installs or upgrades (the verb) with further flags, and waits until all is ready.
func (r *release) helmInstall(verb string, flags ...string) error {
	colon := strings.LastIndex(r.image, ":")
	args := []string{
		verb, r.name, r.chart, "-n", r.namespace, "-f", filepath.Join(r.dir, "values.yaml"), "--wait", "--timeout",
		"180s",
		"--set", "image.repository=" + r.image[:colon], "--set", "image.tag=" + r.image[colon+1:],
	}
	_, err := command("", "helm", append(args, flags...)...)
	return err
}

// kubectl runs in the release's namespace.
func (r *release) kubectl(args ...string) (string, error) { return r.kubectlWith("", args...) }

func (r *release) kubectlWith(stdin string, args ...string) (string, error) {
	return command(stdin, "kubectl", append([]string{"-n", r.namespace}, args...)...)
}

// command runs a program and returns what it wrote; its error has in it what it complained of.
func command(stdin, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args[:min(len(args), 4)], " "), err,
			strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// raw asks a pod or a Service of the namespace by way of the API server, e.g. pods/NAME:9090 and /metrics.
func (r *release) raw(verb, target, path, body string) (string, error) {
	args := []string{verb, "--raw", "/api/v1/namespaces/" + r.namespace + "/" + target + "/proxy" + path}
	if verb == "create" || verb == "replace" {
		args = append(args, "-f", "-")
	}
	return r.kubectlWith(body, args...)
}

// pods are the names of the server's pods that run and are not on their way out.
func (r *release) pods() ([]string, error) {
	out, err := r.kubectl("get", "pods", "-l", serverPods, "-o",
		`go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}`)
	return strings.Fields(out), err
}

// eventually asks again until ok, and says how long it took.
func eventually(limit time.Duration, what string, ok func() (bool, error)) (time.Duration, error) {
	began := time.Now()
	for {
		done, err := ok()
		if done {
			return time.Since(began), nil
		}
		if time.Since(began) > limit {
			return 0, fmt.Errorf("not within %s: %s (last error: %w)", limit, what, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// settled waits until exactly two pods are there and ready, and none is on its way out.
func (r *release) settled() error {
	_, err := eventually(4*time.Minute, "2 pods, all ready, none terminating", func() (bool, error) {
		out, err := r.kubectl("get", "pods", "-l", serverPods, "-o",
			`go-template={{range .items}}{{if .metadata.deletionTimestamp}}leaving{{else}}{{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}{{end}} {{end}}`)
		return err == nil && strings.TrimSpace(out) == "True True", err
	})
	return err
}
