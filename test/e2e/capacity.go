package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// drain evicts both pods; the budget allows one eviction. Then it drains a pod's node of the server's pods, and of no
// others. The node is uncordoned in any case.
func drain(r *release) (string, error) {
	return r.underLoad(func() (string, error) {
		pods, err := r.pods()
		if err != nil || len(pods) != 2 {
			return "", fmt.Errorf("pods %v: %w", pods, err)
		}
		if err := r.evict(pods[0]); err != nil {
			return "", fmt.Errorf("the first eviction: %w", err)
		}
		if err := r.evict(pods[1]); err == nil || !strings.Contains(err.Error(), "disruption budget") {
			return "", fmt.Errorf("the second eviction was not refused because of the budget: %w", err)
		}
		if err := r.settled(); err != nil {
			return "", err
		}
		return r.drainNode(pods[1])
	})
}

func (r *release) evict(pod string) error {
	_, err := r.kubectlWith(fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q}}`, pod),
		"create", "--raw", "/api/v1/namespaces/"+r.namespace+"/pods/"+pod+"/eviction", "-f", "-")
	return err
}

// drainNode drains the node of a pod. When there is no other node the drain must not succeed; else it must.
func (r *release) drainNode(pod string) (string, error) {
	node, err := r.kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")
	if err != nil {
		return "", err
	}
	workers, err := r.kubectl("get", "nodes", "-o",
		`go-template={{range .items}}{{if not (or .spec.taints .spec.unschedulable)}}{{.metadata.name}} {{end}}{{end}}`)
	if err != nil {
		return "", err
	}
	alone := len(strings.Fields(workers)) == 1
	defer r.kubectl("uncordon", node)
	limit := "--timeout=120s"
	if alone {
		limit = "--timeout=25s"
	}
	out, drainErr := command("", "kubectl", "drain", node, "--pod-selector="+serverPods, limit)
	left, err := r.pods()
	if err != nil {
		return "", err
	}
	ready, err := r.kubectl("get", "deployment", fullName, "-o", "jsonpath={.status.readyReplicas}")
	if err != nil {
		return "", err
	}
	if _, err := r.kubectl("uncordon", node); err != nil {
		return "", err
	}
	switch {
	case !alone && drainErr != nil:
		return "", fmt.Errorf("drain: %w: %s", drainErr, out)
	case alone && drainErr == nil:
		return "", errors.New("the only node was drained of the last pod")
	case ready == "":
		return "", errors.New("no pod was ready after the drain")
	}
	result := "node drained"
	if alone {
		result = "drain of the only node stopped at the budget"
	}
	return fmt.Sprintf("1 of 2 evictions refused; %s with %s ready of %d pods", result, ready, len(left)), r.settled()
}

// autoscale gives the control of the replicas to an HPA under load, raises the CPU load, and lets it fall.
func autoscale(r *release) (string, error) {
	if _, err := eventually(90*time.Second, "figures from metrics-server, which an HPA needs", func() (bool, error) {
		_, err := r.kubectl("top", "pods", "-l", serverPods)
		return err == nil, err
	}); err != nil {
		return "", err
	}
	behaviour := `{"scaleDown":{"stabilizationWindowSeconds":10,"policies":[{"type":"Pods","value":4,"periodSeconds":15}]}}`
	handed, err := r.underLoad(func() (string, error) {
		var seen strings.Builder // every value of replicas until then
		watch := exec.Command("kubectl", "-n", r.namespace, "get", "deployment", fullName, "--watch",
			"-o", "jsonpath={.spec.replicas} ")
		watch.Stdout = &seen
		if err := watch.Start(); err != nil {
			return "", err
		}
		err := r.helmInstall("upgrade", "--set-json=autoscaling.behavior="+behaviour,
			"--set=autoscaling.enabled=true,autoscaling.maxReplicas=4,autoscaling.targetCPUUtilizationPercentage=40")
		_ = watch.Process.Kill()
		_ = watch.Wait()
		if replicas := strings.Fields(seen.String()); err == nil &&
			(len(replicas) == 0 || slices.Contains(replicas, "1")) {
			err = fmt.Errorf("replicas went through %v", replicas)
		}
		return "replicas never below 2", err
	})
	if err != nil {
		return "", fmt.Errorf("switching to the HPA: %w", err)
	}
	if err := r.settled(); err != nil {
		return "", err
	}
	if _, err := r.raw("get", "pods/load:8080", fmt.Sprintf("/start?url=%s&keep=60&fresh=10",
		url.QueryEscape(serviceURL)), ""); err != nil {
		return "", err
	}
	up, upErr := eventually(4*time.Minute, "4 pods", func() (bool, error) { return r.ready(4) })
	cpu, _ := r.kubectl("get", "hpa", fullName, "-o",
		"jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}")
	out, err := r.raw("get", "pods/load:8080", "/stop", "")
	if err = errors.Join(upErr, err); err != nil {
		return "", err
	}
	var p report
	if err := json.Unmarshal([]byte(out), &p); err != nil || p.Failed > 0 {
		return "", fmt.Errorf("%s: %v %w", p, p.Why, err)
	}
	down, err := eventually(5*time.Minute, "2 pods again", func() (bool, error) { return r.ready(2) })
	return fmt.Sprintf("switched to it under load (%s); 2 to 4 pods in %.0f s at %s %% CPU (target 40 %%) with %s; "+
		"back to 2 in %.0f s after the load",
		handed, up.Seconds(), cpu, p, down.Seconds()), err
}

// ready reports whether so many pods are wanted and ready.
func (r *release) ready(replicas int) (bool, error) {
	out, err := r.kubectl("get", "deployment", fullName, "-o", "jsonpath={.spec.replicas} {.status.readyReplicas}")
	return out == fmt.Sprintf("%d %d", replicas, replicas), err
}
