package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

const vendorsim = "services/" + fullName + "-vendorsim:http"

// breaker lets the vendor fail, and asks one pod until its breaker opens. Then the breaker of the other pod, which has
// met no failure, must be open too.
func breaker(r *release) (string, error) {
	pods, err := r.pods()
	if err != nil || len(pods) != 2 {
		return "", fmt.Errorf("pods %v: %w", pods, err)
	}
	first, err := r.podURL(pods[0])
	if err != nil {
		return "", err
	}
	second, err := r.podURL(pods[1])
	if err != nil {
		return "", err
	}
	if _, err := r.raw("create", vendorsim, "/faults", `{"kind":"status","status":500}`); err != nil {
		return "", err
	}
	asked := 0
	if _, err := eventually(30*time.Second, "the first pod's breaker opens", func() (bool, error) {
		asked++
		a, err := r.ask(first)
		return a.Status == http.StatusServiceUnavailable, err
	}); err != nil {
		return "", err
	}
	learned, err := eventually(5*time.Second, "the second pod's breaker is open", func() (bool, error) {
		state, err := r.breakerState(pods[1])
		return state == 2, err
	})
	if err != nil {
		return "", err
	}
	if err := r.refusesWithoutCall(second); err != nil {
		return "", err
	}
	healed, err := r.heal(pods)
	return fmt.Sprintf("the first opened after %d requests; the second was open when looked at %.1f s later and "+
		"refused without calling the vendor; closed %.1f s after it healed",
		asked, learned.Seconds(), healed.Seconds()), err
}

// podURL is the URL of POST /llm at a pod, without the Service.
func (r *release) podURL(pod string) (string, error) {
	ip, err := r.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}")
	if err != nil {
		return "", err
	}
	return "http://" + net.JoinHostPort(ip, "8080") + "/llm", nil
}

// breakerState is the state of a pod's breaker in its metric: 0 closed, 2 open.
func (r *release) breakerState(pod string) (float64, error) {
	return r.metric(pod, `llm_breaker_state{lane="default"}`)
}

// refusesWithoutCall sends one request to a pod, and fails unless the pod refuses it and does not call the vendor.
func (r *release) refusesWithoutCall(url string) error {
	before, err := r.vendorCalls()
	if err != nil {
		return err
	}
	a, err := r.ask(url)
	if err != nil {
		return err
	}
	after, err := r.vendorCalls()
	if err != nil {
		return err
	}
	if a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "vendor_unavailable") || after != before {
		return fmt.Errorf("the second pod answered %+v, calls at the vendor %d to %d", a, before, after)
	}
	return nil
}

// heal ends the vendor's failures, and returns how long it took until the breakers of all pods were closed.
func (r *release) heal(pods []string) (time.Duration, error) {
	if _, err := r.raw("delete", vendorsim, "/faults", ""); err != nil {
		return 0, err
	}
	return eventually(60*time.Second, "all breakers are closed", func() (bool, error) {
		if _, err := r.ask(serviceURL); err != nil {
			return false, err
		}
		for _, pod := range pods {
			if state, err := r.breakerState(pod); err != nil || state != 0 {
				return false, err
			}
		}
		return true, nil
	})
}

// vendorCalls is the number of calls that the simulated vendor has seen.
func (r *release) vendorCalls() (int, error) { return r.callsOf(vendorsim) }

// callsOf is vendorCalls for the simulator behind another Service.
func (r *release) callsOf(service string) (int, error) {
	out, err := r.raw("get", service, "/stats", "")
	if err != nil {
		return 0, err
	}
	var stats struct{ Calls *int }
	if err := json.Unmarshal([]byte(out), &stats); err != nil || stats.Calls == nil {
		return 0, fmt.Errorf("no figure of calls in %s: %w", out, err)
	}
	return *stats.Calls, nil
}
