package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The load on one pod: two gigabytes of bodies at once, and clients that do not read 450 MB of answers.
const (
	largeCount, largeSize = 200, 10 << 20
	readers, answerKiB    = 150, 3 << 10
)

// largeBodies sends one pod far more bytes than it has memory. What fits is served, the rest is refused, and no
// container of the release may be killed.
func largeBodies(r *release) (string, error) {
	pods, err := r.pods()
	if err != nil || len(pods) == 0 {
		return "", fmt.Errorf("pods %v: %w", pods, err)
	}
	before, err := r.restarts()
	if err != nil {
		return "", err
	}
	peak := r.watchMemory(pods[0])
	beside, besideErr := r.sendLarge(pods[0], readers)
	alone, aloneErr := r.sendLarge(pods[0], 0)
	said := fmt.Sprintf(
		"%d bodies of 10 MB at one pod: %v beside %d readers of 3 MB, %v alone; it had %.0f MiB at most",
		largeCount, beside, readers, alone, peak()/(1<<20))
	if err := errors.Join(besideErr, aloneErr); err != nil {
		return "", err
	}
	after, err := r.restarts()
	switch {
	case err != nil:
		return "", err
	case before != after:
		return "", fmt.Errorf("containers restarted, %s and then %s: %s", before, after, said)
	case alone["200"] == 0, answered(beside) != largeCount, answered(alone) != largeCount:
		return "", fmt.Errorf("want 200, 503 and 429 only: %s", said)
	}
	if a, err := r.ask(serviceURL); err != nil || a.Status != http.StatusOK {
		return "", fmt.Errorf("afterwards %+v %w", a, err)
	}
	return said, r.settled()
}

// answered counts the bodies that were served, or refused with an expected status.
func answered(found map[string]int) int { return found["200"] + found["503"] + found["429"] }

// sendLarge has the vendor answer the model "long" with 3 MB, and has the load pod send everything to one pod.
func (r *release) sendLarge(pod string, readers int) (found map[string]int, err error) {
	long := fmt.Sprintf(`{"kind":"answer","model":"long","answer":{"headers":{"Content-Type":"application/json"},`+
		`"body":["{\"choices\":[{\"message\":{\"content\":\"",{"repeat":%q,"times":%d},"\"}}]}"]}}`,
		strings.Repeat("x", 1<<10), answerKiB)
	if _, err := r.raw("create", vendorsim, "/faults", long); err != nil {
		return nil, err
	}
	ip, err := r.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}")
	if err != nil {
		return nil, err
	}
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	out, err := r.raw("get", "pods/load:8080", fmt.Sprintf("/large?url=%s&bodies=%d&size=%d&readers=%d&model=long",
		url.QueryEscape("http://"+ip+":8080/llm"), largeCount, largeSize, readers), "")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return nil, err
	}
	_, err = r.raw("delete", vendorsim, "/faults", "")
	return found, err
}

// restarts returns the pods of the release with the number of restarts of their containers.
func (r *release) restarts() (string, error) {
	return r.kubectl("get", "pods", "-l", "app.kubernetes.io/instance="+releaseName, "-o",
		`go-template={{range .items}}{{.metadata.name}}{{range .status.containerStatuses}} {{.restartCount}}{{end}}; {{end}}`)
}

// watchMemory samples a pod's resident memory until the returned func is called, which returns the largest sample.
func (r *release) watchMemory(pod string) (peak func() float64) {
	stop, seen := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for {
			if bytes, err := r.metric(pod, "process_resident_memory_bytes"); err == nil {
				most = max(most, bytes)
			}
			select {
			case <-stop:
				seen <- most
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return func() float64 { close(stop); return <-seen }
}
