package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// serviceURL is the URL of the service for other pods.
const serviceURL = "http://" + fullName + "/llm"

// report is the answer of test/e2e/load to /stop.
type report struct {
	Buffered, Streams, Failed int
	Why                       map[string]int
	Slowest, Seconds          float64
}

func (p report) String() string {
	return fmt.Sprintf("%d buffered, %d streams, %d failed in %.0f s; slowest %.1f s", p.Buffered, p.Streams, p.Failed,
		p.Seconds, p.Slowest)
}

// startLoadPod starts the pod that sends requests, and waits for it.
func (r *release) startLoadPod() error {
	manifest, err := os.ReadFile(filepath.Join(r.dir, "load.yaml"))
	if err != nil {
		return err
	}
	filled := strings.NewReplacer("IMAGE", r.loadImage, "SECRET", keysSecret).Replace(string(manifest))
	if _, err := r.kubectlWith(filled, "apply", "-f", "-"); err != nil {
		return err
	}
	_, err = r.kubectl("wait", "--for=condition=Ready", "pod/load", "--timeout=90s")
	return err
}

// answer is one answer of the service.
type answer struct {
	Status int
	Body   string
	Error  string
}

// ask sends one request from inside the cluster.
func (r *release) ask(at string) (a answer, err error) { return r.askPreferring(at, "") }

// askPreferring is ask with a Prefer header.
func (r *release) askPreferring(at, prefer string) (a answer, err error) {
	out, err := r.raw("get", "pods/load:8080", "/ask?url="+url.QueryEscape(at)+"&prefer="+prefer, "")
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(out), &a)
}

// underLoad does something while clients send requests through the Service: some on kept connections, some on a new
// connection for each request, some for streams. It returns an error when a single request fails.
func (r *release) underLoad(do func() (string, error)) (string, error) {
	p, measured, err := r.loadAt(serviceURL, do)
	if err != nil {
		return "", err
	}
	if p.Failed > 0 || p.Buffered == 0 || p.Streams == 0 {
		return "", fmt.Errorf("%s: %v; %s", p, p.Why, measured)
	}
	return fmt.Sprintf("%s; %s", p, measured), nil
}

// loadAt is underLoad at another URL, without the check for failures.
func (r *release) loadAt(at string, do func() (string, error)) (p report, measured string, err error) {
	clients := fmt.Sprintf("/start?url=%s&keep=4&fresh=4&streams=6", url.QueryEscape(at))
	if _, err := r.raw("get", "pods/load:8080", clients, ""); err != nil {
		return p, "", err
	}
	time.Sleep(3 * time.Second) // load before
	measured, err = do()
	time.Sleep(3 * time.Second) // and after
	out, stopErr := r.raw("get", "pods/load:8080", "/stop", "")
	if err = errors.Join(err, stopErr); err != nil {
		return p, "", err
	}
	return p, measured, json.Unmarshal([]byte(out), &p)
}

// metric is the value of a metric of one pod. The name is the whole text before the value. A missing metric is an
// error.
func (r *release) metric(pod, name string) (float64, error) {
	out, err := r.raw("get", "pods/"+pod+":9090", "/metrics", "")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(out) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("pod %s has no metric %s", pod, name)
}
