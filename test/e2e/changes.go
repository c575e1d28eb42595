package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

func rollingRestart(r *release) (string, error) {
	return r.underLoad(func() (string, error) {
		if _, err := r.kubectl("rollout", "restart", "deployment/"+fullName); err != nil {
			return "", err
		}
		return "both pods replaced, the old ones gone", r.rolledOut()
	})
}

// rolledOut waits for the end of a rollout and of the old pods: requests that they cut at their end count too.
func (r *release) rolledOut() error {
	if _, err := r.kubectl("rollout", "status", "deployment/"+fullName, "--timeout=180s"); err != nil {
		return err
	}
	return r.settled()
}

// upgrade changes a setting, which replaces the pods.
func upgrade(r *release) (string, error) {
	keys := func() (string, error) { return r.kubectl("get", "secret", keysSecret, "-o", "jsonpath={.data}") }
	before, err := keys()
	if err != nil {
		return "", err
	}
	old, err := r.pods()
	if err != nil {
		return "", err
	}
	measured, err := r.underLoad(func() (string, error) {
		if err := r.helmInstall("upgrade", "--set=limits.slots=60"); err != nil {
			return "", err
		}
		return "pods replaced, the 3 API keys unchanged", r.rolledOut()
	})
	if err != nil {
		return "", err
	}
	now, err := r.pods()
	if err != nil {
		return "", err
	}
	for _, pod := range old {
		if strings.Contains(strings.Join(now, " "), pod) {
			return "", fmt.Errorf("pod %s was not replaced", pod)
		}
	}
	if after, err := keys(); err != nil || after != before {
		return "", fmt.Errorf("the API keys changed: %w", err)
	}
	return measured, nil
}

// redisDeleted deletes the bundled Redis. Its StatefulSet starts an empty one with another address.
func redisDeleted(r *release) (string, error) {
	return r.underLoad(func() (string, error) {
		pods, err := r.pods()
		if err != nil {
			return "", err
		}
		if _, err := r.kubectl("delete", "pod", fullName+"-redis-0", "--wait=false"); err != nil {
			return "", err
		}
		if _, err := eventually(30*time.Second, "the pods notice", func() (bool, error) {
			up, err := r.metric(pods[0], "llm_redis_up")
			return err == nil && up == 0, err
		}); err != nil {
			return "", err
		}
		if _, err := r.kubectl("wait", "--for=condition=Ready",
			"pod/"+fullName+"-redis-0", "--timeout=90s"); err != nil {
			return "", err
		}
		back, err := r.redisUp()
		return fmt.Sprintf("pods noticed, and shared again %.1f s after the new Redis was ready", back.Seconds()), err
	})
}

// uninstall must leave only the API keys, which the chart keeps, and the load pod, which is not part of the chart.
func uninstall(r *release) (string, error) {
	if _, err := command("", "helm", "uninstall", releaseName, "-n", r.namespace,
		"--wait", "--timeout", "180s"); err != nil {
		return "", err
	}
	kinds, err := r.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name")
	if err != nil {
		return "", err
	}
	all := strings.Join(strings.Fields(kinds), ",")
	var left []string
	_, err = eventually(2*time.Minute, "everything else is gone", func() (bool, error) {
		out, err := r.kubectl("get", all, "-o", "name", "--ignore-not-found")
		left = nil
		for name := range strings.FieldsSeq(out) {
			kind, _, _ := strings.Cut(name, "/")
			ours := name == "pod/load" || name == "secret/"+keysSecret || strings.Contains(kind, "metrics.k8s.io")
			everyNamespaces := name == "configmap/kube-root-ca.crt" || name == "serviceaccount/default" ||
				strings.HasPrefix(kind, "event")
			if !ours && !everyNamespaces {
				left = append(left, name)
			}
		}
		if len(left) > 0 {
			err = errors.Join(err, fmt.Errorf("left: %v", left))
		}
		return true, err
	})
	return fmt.Sprintf("of %d kinds of objects only secret/%s is left", len(strings.Fields(kinds)), keysSecret), err
}

// reinstall must use the kept keys again: the load pod still has one of them.
func reinstall(r *release) (string, error) {
	if err := r.helmInstall("install"); err != nil {
		return "", err
	}
	measured, err := throughService(r)
	return "a key of the first install: " + measured, err
}
