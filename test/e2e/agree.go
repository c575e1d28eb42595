package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const vendorsim = "services/" + fullName + "-vendorsim:http"

// breaker lets the vendor fail, asks one pod until its breaker opens, and looks at the other, which never met a
// failure.
func breaker(r *release) (string, error) {
	pods, err := r.pods()
	if err != nil || len(pods) != 2 {
		return "", fmt.Errorf("pods %v: %w", pods, err)
	}
	first, second := pods[0], pods[1]
	addresses := map[string]string{}
	for _, pod := range pods {
		ip, err := r.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}")
		if err != nil {
			return "", err
		}
		if strings.Contains(ip, ":") {
			ip = "[" + ip + "]"
		}
		addresses[pod] = "http://" + ip + ":8080/llm"
	}
	if _, err := r.raw("create", vendorsim, "/faults", `{"kind":"status","status":500}`); err != nil {
		return "", err
	}
	asked := 0
	if _, err := eventually(30*time.Second, "the first pod's breaker opens", func() (bool, error) {
		asked++
		a, err := r.ask(addresses[first])
		return a.Status == http.StatusServiceUnavailable, err
	}); err != nil {
		return "", err
	}
	learned, err := eventually(5*time.Second, "the second pod's breaker is open", func() (bool, error) {
		state, err := r.metric(second, `llm_breaker_state{lane="default"}`)
		return state == 2, err
	})
	if err != nil {
		return "", err
	}
	before, err := r.vendorCalls()
	if err != nil {
		return "", err
	}
	a, err := r.ask(addresses[second])
	if err != nil {
		return "", err
	}
	after, err := r.vendorCalls()
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "vendor_unavailable") || after != before {
		return "", fmt.Errorf("the second pod answered %+v, calls at the vendor %d to %d", a, before, after)
	}
	if _, err := r.raw("delete", vendorsim, "/faults", ""); err != nil {
		return "", err
	}
	healed, err := eventually(60*time.Second, "both breakers closed", func() (bool, error) {
		if _, err := r.ask(serviceURL); err != nil {
			return false, err
		}
		one, err := r.metric(first, `llm_breaker_state{lane="default"}`)
		if err != nil {
			return false, err
		}
		two, err := r.metric(second, `llm_breaker_state{lane="default"}`)
		return one == 0 && two == 0, err
	})
	return fmt.Sprintf("the first opened after %d requests; the second was open when looked at %.1f s later and "+
		"refused without calling the vendor; closed %.1f s after it healed",
		asked, learned.Seconds(), healed.Seconds()), err
}

// vendorCalls is how many calls the simulated vendor has seen.
func (r *release) vendorCalls() (int, error) { return r.callsOf(vendorsim) }

// callsOf is the same for the simulator behind another Service.
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
