package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// rotated gives the release the vendor's key in a Secret, and changes the key under load. The pods follow the file.
// When all logs show the new key, the vendor refuses the old one.
func rotated(r *release) (string, error) {
	const secret, before, after = "vendor-key", "sk-before", "sk-after"
	restore, err := r.vendorKeys(before, after)
	if err != nil {
		return "", err
	}
	if _, err := r.kubectl("create", "secret", "generic", secret, "--from-literal=api-key="+before); err != nil {
		return "", err
	}
	if err := r.helmInstall("upgrade", "--set=vendor.existingSecret="+secret); err != nil {
		return "", err
	}
	if err := r.settled(); err != nil {
		return "", err
	}
	pods, err := r.pods()
	if err != nil {
		return "", err
	}
	measured, err := r.underLoad(func() (string, error) {
		if _, err := r.kubectl("patch", "secret", secret, "-p",
			fmt.Sprintf(`{"stringData":{"api-key":%q}}`, after)); err != nil {
			return "", err
		}
		// Kubernetes updates the file of a changed pod at once; else it takes about a minute.
		if _, err := r.kubectl("annotate", "pods", "-l", serverPods, "spillway-e2e/rotated=yes"); err != nil {
			return "", err
		}
		took, err := eventually(3*time.Minute, "every pod has the new key",
			func() (bool, error) { return r.allSay(pods, "vendor API key reloaded") })
		if err != nil {
			return "", err
		}
		if _, err := r.vendorKeys(after); err != nil {
			return "", err
		}
		time.Sleep(5 * time.Second) // load that only the new key serves
		return fmt.Sprintf("all pods had the new key after %.1f s; the old one was refused from then on",
			took.Seconds()), nil
	})
	if err != nil {
		return "", err
	}
	if now, err := r.pods(); err != nil || strings.Join(now, " ") != strings.Join(pods, " ") {
		return "", fmt.Errorf("pods %v became %v: %w", pods, now, err)
	}
	if err := restore(); err != nil {
		return "", err
	}
	if err := r.helmInstall("upgrade"); err != nil {
		return "", err
	}
	if _, err := r.kubectl("delete", "secret", secret); err != nil {
		return "", err
	}
	return measured + "; no pod replaced", r.settled()
}

// allSay reports whether the logs of all pods have the text.
func (r *release) allSay(pods []string, text string) (bool, error) {
	for _, pod := range pods {
		out, err := r.kubectl("logs", pod)
		if err != nil || !strings.Contains(out, text) {
			return false, err
		}
	}
	return true, nil
}

// vendorKeys makes the simulated vendor accept only these keys. restore resets this.
func (r *release) vendorKeys(keys ...string) (restore func() error, err error) {
	was, err := r.raw("get", vendorsim, "/config", "")
	if err != nil {
		return nil, err
	}
	var config map[string]any
	if err := json.Unmarshal([]byte(was), &config); err != nil {
		return nil, err
	}
	config["keys"] = keys
	now, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	_, err = r.raw("replace", vendorsim, "/config", string(now))
	return func() error { _, err := r.raw("replace", vendorsim, "/config", was); return err }, err
}

// failover makes the vendor fail for the model of the load. The breaker of its lane must open in all pods, and another
// lane must answer, with another model. When the vendor has recovered, the calls must use its lane again.
func failover(r *release) (string, error) {
	if err := r.helmInstall("upgrade",
		"--set=fallback=backup,lanes.backup.model=backup,"+
			"lanes.backup.quota.requests=0,lanes.backup.quota.tokens=0"); err != nil {
		return "", err
	}
	if err := r.settled(); err != nil {
		return "", err
	}
	measured, err := r.underLoad(func() (string, error) {
		if _, err := r.raw("create", vendorsim, "/faults",
			`{"kind":"status","status":500,"model":"demo"}`); err != nil {
			return "", err
		}
		opened, err := eventually(30*time.Second, "the breaker of the lane default is open in all pods",
			func() (bool, error) { return r.breakers(2) })
		if err != nil {
			return "", err
		}
		if err := r.answeredBy("backup"); err != nil {
			return "", err
		}
		if _, err := r.raw("delete", vendorsim, "/faults", ""); err != nil {
			return "", err
		}
		closed, err := eventually(2*time.Minute, "the breaker is closed in all pods",
			func() (bool, error) { return r.breakers(0) })
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("the breaker was open in all pods after %.1f s, the other lane answered; back %.1f s "+
			"after the vendor was well",
			opened.Seconds(), closed.Seconds()), r.answeredBy("demo")
	})
	if err != nil {
		return "", err
	}
	if err := r.helmInstall("upgrade"); err != nil {
		return "", err
	}
	return measured, r.settled()
}

// breakers reports whether the breaker of the lane default has this state in all pods.
func (r *release) breakers(state float64) (bool, error) {
	pods, err := r.pods()
	if err != nil {
		return false, err
	}
	for _, pod := range pods {
		if now, err := r.metric(pod, `llm_breaker_state{lane="default"}`); err != nil || now != state {
			return false, err
		}
	}
	return true, nil
}

// answeredBy sends one request, and returns an error unless the model answers.
func (r *release) answeredBy(model string) error {
	a, err := r.ask(serviceURL)
	if err == nil && (a.Status != http.StatusOK || !strings.Contains(a.Body, fmt.Sprintf(`"model":%q`, model))) {
		err = fmt.Errorf("want an answer of %s, got %+v", model, a)
	}
	return err
}
