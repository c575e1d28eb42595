package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// gatewayURL is the way through Traefik.
const gatewayURL = "http://traefik/llm"

// The limits that the release is given for the measurement.
const (
	perAddress, total            = 20, 60 // a second
	heldByAddress, held          = 15, 30 // at once
	gatewayBurst                 = 1.25   // over the length of a flood, with what a bucket holds at its beginning
	floodSeconds                 = 5
	unfinishedLimit, streamShare = 15.0, 0.5
)

// throughTraefik puts Traefik in front of the release and measures each limit of docs/kubernetes.md against what it
// says.
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
	if err := r.helmInstall("upgrade",
		fmt.Sprintf("--set=gateway.enabled=true,gateway.create=true,gateway.flavor=traefik,"+
			"gateway.className=spillway-e2e,gateway.trustedHops=1,gateway.limits.requestsPerSecondPerIP=%d,"+
			"gateway.limits.totalRequestsPerSecond=%d,gateway.limits.parallelRequestsPerIP=%d,"+
			"gateway.limits.parallelRequests=%d,gateway.limits.requestReceivedTimeout=1s",
			perAddress, total, heldByAddress, held)); err != nil {
		return err
	}
	_, err = eventually(time.Minute, "an answer through the gateway", func() (bool, error) {
		a, err := r.ask(gatewayURL)
		return a.Status == 200, errors.Join(err, fmt.Errorf("%+v", a))
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

// flood has the load pod ask at a rate, and returns the number of each status.
func (r *release) flood(query string, args ...any) (map[string]int, error) {
	out, err := r.raw("get", "pods/load:8080", "/flood?url="+url.QueryEscape(gatewayURL)+"&"+
		fmt.Sprintf(query, args...), "")
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	return found, json.Unmarshal([]byte(out), &found)
}

// within fails unless got is what a limit allows over a flood, its burst included.
func within(got, limit int) error {
	most := float64(limit*floodSeconds+limit) * gatewayBurst
	if least := float64(limit*floodSeconds) * 0.8; float64(got) > most || float64(got) < least {
		return fmt.Errorf("%d let through, where %d a second for %d s allow %.0f to %.0f", got, limit, floodSeconds,
			least, most)
	}
	return nil
}

// oneAddress sends too much from one address, each request to another Host.
func oneAddress(r *release) (string, error) {
	found, err := r.flood("rate=%d&seconds=%d&addresses=1&hosts=1", 4*perAddress, floodSeconds)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of %d a second let through %v", perAddress, 4*perAddress, found),
		within(found["200"], perAddress)
}

// neighbour asks at half of its rate from one address, while another sends far more than all may: what that sends too
// much is refused before it counts against what is there for all, so that the neighbour loses nothing.
func neighbour(r *release) (string, error) {
	time.Sleep(2 * time.Second) // the buckets fill again
	type result struct {
		found map[string]int
		err   error
	}
	flooded := make(chan result, 1)
	go func() {
		found, err := r.flood("rate=%d&seconds=%d&addresses=1", 4*total, floodSeconds+2)
		flooded <- result{found, err}
	}()
	time.Sleep(time.Second) // the flood has filled its bucket
	quiet, err := r.flood("rate=%d&seconds=%d&addresses=1&from=100", perAddress/2, floodSeconds)
	flood := <-flooded
	if err = errors.Join(err, flood.err); err != nil {
		return "", err
	}
	said := fmt.Sprintf("%d a second beside %d of another address %v, which got %v", perAddress/2, 4*total, quiet,
		flood.found)
	for status, n := range quiet {
		if status != "200" && n > 0 {
			return "", errors.New("one address used up what is there for all: " + said)
		}
	}
	return said, nil
}

// allAddresses sends too much from many addresses, each within its own limit, each request to another Host.
func allAddresses(r *release) (string, error) {
	found, err := r.flood("rate=%d&seconds=%d&addresses=20&hosts=1", 3*total, floodSeconds)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of %d a second from 20 addresses let through %v", total, 3*total, found),
		within(found["200"], total)
}

// inFlight opens streams that last for seconds, from one address and from many.
func inFlight(r *release) (string, error) {
	time.Sleep(2 * time.Second) // the buckets fill again
	one, err := r.flood("rate=%d&seconds=2&addresses=1&stream=1&hosts=1", perAddress-2)
	if err != nil {
		return "", err
	}
	time.Sleep(2 * time.Second)
	many, err := r.flood("rate=%d&seconds=2&addresses=20&stream=1&hosts=1", total-10)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("%d streams from one address %v, %d from 20 %v", heldByAddress, one, held, many)
	if one["200"] < heldByAddress-1 || one["200"] > heldByAddress+1 || many["200"] < held-2 || many["200"] > held+2 {
		return "", errors.New("not as many as allowed: " + said)
	}
	return said, nil
}

// bodies sends one that is too large with its length declared, and one in chunks. The service refuses both.
func bodies(r *release) (string, error) {
	var said []string
	for _, how := range []string{"", "&chunked=1"} {
		found, err := r.flood("rate=1&seconds=1&addresses=1&size=%d%s", 40<<20, how)
		if err != nil || found["413"] != 1 {
			return "", fmt.Errorf("%v %w", found, err)
		}
		said = append(said, "413")
	}
	return "declared and chunked " + strings.Join(said, " and "), nil
}

func unfinishedBody(r *release) (string, error) {
	out, err := r.raw("get", "pods/load:8080", "/unfinished?url="+url.QueryEscape(gatewayURL), "")
	if err != nil {
		return "", err
	}
	var took struct{ Seconds float64 }
	if err := json.Unmarshal([]byte(out), &took); err != nil || took.Seconds > unfinishedLimit {
		return "", fmt.Errorf("ended after %.1f s: %w", took.Seconds, err)
	}
	return fmt.Sprintf("ended after %.1f s at a readTimeout of 5 s", took.Seconds), nil
}

// firstEvent asks for a stream: a gateway that holds answers back gives the first event with the last.
func firstEvent(r *release) (string, error) {
	out, err := r.raw("get", "pods/load:8080", "/first?url="+url.QueryEscape(gatewayURL), "")
	if err != nil {
		return "", err
	}
	var times struct{ First, All float64 }
	if err := json.Unmarshal([]byte(out), &times); err != nil || times.First > streamShare*times.All {
		return "", fmt.Errorf("first event after %.1f s of %.1f s: %w", times.First, times.All, err)
	}
	return fmt.Sprintf("after %.1f s of %.1f s", times.First, times.All), nil
}

// rolloutThroughGateway replaces the service's pods and may lose nothing.
func rolloutThroughGateway(r *release) (string, error) {
	return r.restarted("deployment/"+fullName, 0, r.rolledOut)
}

// traefikRestarted replaces the gateway's pod. It may close a kept connection just when its client uses it again, which
// its settings do not prevent.
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
	if err := r.helmInstall("upgrade",
		"--set=gateway.enabled=true,gateway.create=true,gateway.flavor=traefik,gateway.className=spillway-e2e,"+
			"gateway.limits.requestsPerSecondPerIP=2000,gateway.limits.totalRequestsPerSecond=4000,"+
			"gateway.limits.parallelRequests=10000,gateway.limits.requestReceivedTimeout=1s"); err != nil {
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
