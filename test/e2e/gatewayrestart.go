package main

import (
	"fmt"
	"strings"
	"time"
)

// rolloutThroughGateway replaces the service's pods. No request may be lost.
func rolloutThroughGateway(r *release) (string, error) {
	return r.restarted("deployment/"+fullName, 0, r.rolledOut)
}

// traefikRestarted replaces the gateway's pod. Traefik may close a kept connection just when its client uses it again;
// no setting of Traefik prevents that.
func traefikRestarted(r *release) (string, error) {
	const closed = 2
	return r.restarted("deployment/traefik", closed, func() error {
		_, err := r.kubectl("rollout", "status", "deployment/traefik", "--timeout=120s")
		if err != nil {
			return err
		}
		_, err = eventually(2*time.Minute, "one pod of Traefik", func() (bool, error) {
			out, err := r.kubectl("get", "pods", "-l", "app=traefik", "-o", "name")
			return len(strings.Fields(out)) == 1, err
		})
		return err
	})
}

// restarted raises the limits above the load, restarts a workload under it, and counts what failed.
func (r *release) restarted(workload string, most int, done func() error) (string, error) {
	if err := r.helmInstall("upgrade", r.traefikValues(
		"gateway.limits.requestsPerSecondPerIP=2000,gateway.limits.totalRequestsPerSecond=4000,"+
			"gateway.limits.parallelRequests=10000")); err != nil {
		return "", err
	}
	p, _, err := r.loadAt(gatewayURL, func() (string, error) {
		if _, err := r.kubectl("rollout", "restart", workload); err != nil {
			return "", err
		}
		return "", done()
	})
	if err == nil && (p.Failed > most || p.Buffered == 0) {
		err = fmt.Errorf("%s: %v", p, p.Why)
	}
	return p.String(), err
}
