package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// gatewayURL leads through Traefik.
const gatewayURL = "http://traefik/llm"

// traefikValues switch the release's gateway on, with the further values in more. Traefik runs beside the release.
func (r *release) traefikValues(more string) string {
	return "--set=gateway.enabled=true,gateway.create=true,gateway.flavor=traefik,gateway.className=spillway-e2e," +
		"gateway.proxyNamespace=" + r.namespace + ",gateway.limits.requestReceivedTimeout=1s," + more
}

// The limits of the release during the measurement.
const (
	perAddress, total            = 20, 60 // a second
	heldByAddress, held          = 15, 30 // at once
	gatewayBurst                 = 1.25   // tolerance of a flood's result
	floodSeconds                 = 5
	unfinishedLimit, streamShare = 15.0, 0.5
)

// throughTraefik puts Traefik in front of the release, and measures each limit in docs/kubernetes.md.
func throughTraefik(r *release) (string, error) {
	if err := r.startTraefik(); err != nil {
		return "", err
	}
	defer r.stopTraefik()
	var said []string
	for _, check := range []struct {
		name string
		run  func(*release) (string, error)
	}{
		{"one address", oneAddress}, {"its neighbour", neighbour}, {"all", allAddresses}, {"in flight", inFlight},
		{"bodies", bodies}, {"unfinished body", unfinishedBody},
		{"first event", firstEvent}, {"rollout", rolloutThroughGateway}, {"Traefik restarted", traefikRestarted},
	} {
		measured, err := check.run(r)
		if err != nil {
			return "", fmt.Errorf("%s: %w (before it: %s)", check.name, err, strings.Join(said, "; "))
		}
		said = append(said, check.name+": "+measured)
	}
	return strings.Join(said, "; "), r.helmInstall("upgrade")
}

func (r *release) startTraefik() error {
	manifest, err := os.ReadFile(filepath.Join(r.dir, "traefik.yaml"))
	if err != nil {
		return err
	}
	filled := strings.NewReplacer("IMAGE", r.traefik, "NAMESPACE", r.namespace).Replace(string(manifest))
	if _, err := r.kubectlWith(filled, "apply", "-f", "-"); err != nil {
		return fmt.Errorf("%w (are the CRDs of Gateway API and Traefik installed?)", err)
	}
	if _, err := r.kubectl("rollout", "status", "deployment/traefik", "--timeout=90s"); err != nil {
		return err
	}
	if err := r.helmInstall("upgrade", r.traefikValues(fmt.Sprintf(
		"gateway.trustedHops=1,gateway.limits.requestsPerSecondPerIP=%d,gateway.limits.totalRequestsPerSecond=%d,"+
			"gateway.limits.parallelRequestsPerIP=%d,gateway.limits.parallelRequests=%d",
		perAddress, total, heldByAddress, held))); err != nil {
		return err
	}
	_, err = eventually(time.Minute, "an answer through the gateway", func() (bool, error) {
		a, err := r.ask(gatewayURL)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%+v", a)
		}
		return err == nil, err
	})
	return err
}

func (r *release) stopTraefik() {
	_, err := r.kubectl("delete", "deployment/traefik", "service/traefik", "serviceaccount/traefik",
		"clusterrole/spillway-e2e-traefik", "clusterrolebinding/spillway-e2e-traefik", "gatewayclass/spillway-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	}
}
