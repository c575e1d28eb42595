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

	"github.com/spillway-dev/spillway/internal/await"
)

// release is the release of the chart that is tested.
type release struct {
	name                                    string // of the Helm release
	namespace, image, loadImage, chart, dir string
	traefik                                 string // image of Traefik; empty: the gateway is not tested
}

// Names that depend on the release's name, llm.
const (
	releaseName = "llm"
	fullName    = "llm-spillway"
	keysSecret  = "llm-spillway-api-keys"
	serverPods  = "app.kubernetes.io/instance=llm,app.kubernetes.io/component=server"
)

// prepare creates the namespace, which admits only pods that meet the restricted Pod Security standard.
func (r *release) prepare() error {
	if _, err := r.kubectl("create", "namespace", r.namespace); err != nil {
		return fmt.Errorf("%w (an earlier run's? kubectl delete namespace %s)", err, r.namespace)
	}
	_, err := r.kubectl("label", "namespace", r.namespace, "pod-security.kubernetes.io/enforce=restricted")
	return err
}

// cleanUp deletes the namespace. It deletes workloads first: while a namespace has a pod, Kubernetes checks it again
// only after half of the pod's grace period, also when the pod ends earlier.
func (r *release) cleanUp() {
	_, podsErr := r.kubectl("delete", "deployments,statefulsets,pods", "--all",
		"--cascade=foreground", "--timeout=180s")
	_, err := r.kubectl("delete", "namespace", r.namespace, "--timeout=180s")
	if err = errors.Join(podsErr, err); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
}

// helmInstall installs or upgrades (the verb) with additional flags, and waits until everything is ready.
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

// kubectl runs kubectl in the release's namespace.
func (r *release) kubectl(args ...string) (string, error) { return r.kubectlWith("", args...) }

func (r *release) kubectlWith(stdin string, args ...string) (string, error) {
	return command(stdin, "kubectl", append([]string{"-n", r.namespace}, args...)...)
}

// command runs a program and returns its output. The error has the text of its standard error.
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

// raw sends a request to a pod or a Service of the namespace through the API server, e.g. pods/NAME:9090 and /metrics.
func (r *release) raw(verb, target, path, body string) (string, error) {
	args := []string{verb, "--raw", "/api/v1/namespaces/" + r.namespace + "/" + target + "/proxy" + path}
	if verb == "create" || verb == "replace" {
		args = append(args, "-f", "-")
	}
	return r.kubectlWith(body, args...)
}

// pods returns the names of the server's pods that run and are not terminating.
func (r *release) pods() ([]string, error) {
	out, err := r.kubectl("get", "pods", "-l", serverPods, "-o",
		`go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}`)
	return strings.Fields(out), err
}

// eventually waits until ok reports true, and returns how long it took. Most calls of ok start kubectl, which costs the
// cluster's machine processor time, so they are not frequent.
func eventually(limit time.Duration, what string, ok func() (bool, error)) (time.Duration, error) {
	return await.PollEvery(200*time.Millisecond, limit, what, ok)
}

// settled waits until there are exactly two pods, both ready, and none is terminating.
func (r *release) settled() error {
	_, err := eventually(4*time.Minute, "2 pods, all ready, none terminating", func() (bool, error) {
		out, err := r.kubectl("get", "pods", "-l", serverPods, "-o",
			`go-template={{range .items}}{{if .metadata.deletionTimestamp}}leaving{{else}}{{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}{{end}} {{end}}`)
		return err == nil && strings.TrimSpace(out) == "True True", err
	})
	return err
}
