package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

func install(r *release) (string, error) {
	began := time.Now()
	if err := r.helmInstall("install"); err != nil {
		return "", err
	}
	took := time.Since(began)
	if err := r.settled(); err != nil {
		return "", err
	}
	if err := r.startLoadPod(); err != nil {
		return "", err
	}
	shared, err := r.redisUp()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("helm install --wait took %.0f s; 2 pods ready, both on the bundled Redis after %.1f s",
		took.Seconds(), shared.Seconds()), nil
}

// redisUp waits until every pod shares its limits through Redis.
func (r *release) redisUp() (time.Duration, error) {
	return eventually(time.Minute, "llm_redis_up of all pods", func() (bool, error) {
		pods, err := r.pods()
		for _, pod := range pods {
			if up, err := r.metric(pod, "llm_redis_up"); err != nil || up != 1 {
				return false, err
			}
		}
		return err == nil && len(pods) > 0, err
	})
}

func throughService(r *release) (string, error) {
	a, err := r.ask(serviceURL)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK || !strings.Contains(a.Body, `"choices"`) {
		return "", fmt.Errorf("%+v", a)
	}
	return fmt.Sprintf("from another pod: %d, %d bytes", a.Status, len(a.Body)), nil
}

// followNotes runs the commands that helm prints after an install, with a free local port instead of 8080.
func followNotes(r *release) (string, error) {
	notes, err := command("", "helm", "get", "notes", releaseName, "-n", r.namespace)
	if err != nil {
		return "", err
	}
	var forward, key, curl string
	for line := range strings.Lines(notes) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "kubectl") && strings.Contains(line, "port-forward"):
			forward = line
		case strings.HasPrefix(line, "KEY="):
			key = line
		case strings.HasPrefix(line, "curl"), strings.HasPrefix(line, "-d "):
			curl += strings.TrimSuffix(line, `\`) + " "
		}
	}
	if forward == "" || key == "" || curl == "" {
		return "", fmt.Errorf("NOTES lacks a line: %s", notes)
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	tunnel := exec.CommandContext(ctx, "bash", "-c", "exec "+strings.Replace(forward, " 8080:", " "+port+":", 1))
	if err := tunnel.Start(); err != nil {
		return "", err
	}
	defer func() { stop(); _ = tunnel.Wait() }()
	if _, err := eventually(20*time.Second, "port-forward listens", func() (bool, error) {
		conn, err := net.Dial("tcp", "localhost:"+port)
		if err != nil {
			return false, err
		}
		return true, conn.Close()
	}); err != nil {
		return "", err
	}
	answer, err := command("", "bash", "-c", key+"\n"+strings.Replace(curl, "localhost:8080", "localhost:"+port, 1))
	if err != nil {
		return "", err
	}
	if !strings.Contains(answer, `"choices"`) {
		return "", fmt.Errorf("answered %s", answer)
	}
	return fmt.Sprintf("its three commands as printed: an answer of %d bytes", len(answer)), nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func helmTest(r *release) (string, error) {
	out, err := command("", "helm", "test", releaseName, "-n", r.namespace, "--logs", "--timeout", "120s")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "answered:") {
			return strings.TrimSpace(line), nil
		}
	}
	return "", errors.New("no answer in its log: " + out)
}

// networkPolicy checks only that the objects are accepted. Their effect depends on the cluster's network plugin.
func networkPolicy(r *release) (string, error) {
	out, err := r.kubectl("get", "networkpolicy", "-o", "name")
	names := strings.Fields(out)
	if err == nil && len(names) == 0 {
		err = errors.New("there is none")
	}
	return fmt.Sprintf("%d objects; whether they are enforced is up to the network plugin and not checked", len(names)),
		err
}
