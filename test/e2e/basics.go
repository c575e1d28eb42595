package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// followNotes runs the commands that helm prints after an install, with free local ports instead of 8080 and 9090.
func followNotes(r *release) (string, error) {
	notes, err := command("", "helm", "get", "notes", releaseName, "-n", r.namespace)
	if err != nil {
		return "", err
	}
	var forward, admin, parts, page, key, curl string
	for line := range strings.Lines(notes) {
		line = strings.TrimSpace(line)
		switch forwards := strings.HasPrefix(line, "kubectl") && strings.Contains(line, "port-forward"); {
		case forwards && strings.Contains(line, " 8080:"):
			forward = line
		case forwards && strings.HasSuffix(line, " 9090"):
			admin = line
		case forwards && strings.Contains(line, " 9090 "):
			page = line
		case strings.HasPrefix(line, "KEY="):
			key = line
		case strings.HasPrefix(line, "curl") && strings.Contains(line, "/readyz?verbose"):
			parts = line
		case strings.HasPrefix(line, "curl"), strings.HasPrefix(line, "-d "):
			curl += strings.TrimSuffix(line, `\`) + " "
		}
	}
	if forward == "" || admin == "" || parts == "" || page == "" || key == "" || curl == "" {
		return "", fmt.Errorf("NOTES lacks a line: %s", notes)
	}
	port, stop, err := forwarded(forward, " 8080:", ":")
	if err != nil {
		return "", err
	}
	defer stop()
	answer, err := command("", "bash", "-c", key+"\n"+strings.Replace(curl, "localhost:8080", "localhost:"+port, 1))
	if err != nil {
		return "", err
	}
	if !strings.Contains(answer, `"choices"`) {
		return "", fmt.Errorf("answered %s", answer)
	}
	said, err := lookAtParts(admin, parts)
	if err != nil {
		return "", err
	}
	if err := tryPage(page); err != nil {
		return "", fmt.Errorf("the live page: %w", err)
	}
	return fmt.Sprintf("its commands as printed: an answer of %d bytes; one pod says %s; a fault set and ended on the "+
		"live page", len(answer), said), nil
}

// lookAtParts runs the two commands that show what is wrong with the parts of one pod. Nothing must be.
func lookAtParts(forward, curl string) (string, error) {
	port, stop, err := forwarded(forward, " 9090", ":9090")
	if err != nil {
		return "", err
	}
	defer stop()
	said, err := command("", "bash", "-c", strings.Replace(curl, "localhost:9090", "localhost:"+port, 1))
	if err == nil && !strings.Contains(said, `"redis":"ok"`) {
		err = fmt.Errorf("%s answered %q", curl, said)
	}
	return strings.TrimSpace(said), err
}

// tryPage runs the command that leads to the live page, and presses two of its buttons.
func tryPage(forward string) error {
	port, stop, err := forwarded(forward, " 9090 ", ":9090 ")
	if err != nil {
		return err
	}
	defer stop()
	for _, fault := range []string{"slow", ""} {
		res, err := http.Post("http://localhost:"+port+"/debug/live/fault", "application/json",
			strings.NewReader(fmt.Sprintf(`{"fault":%q}`, fault)))
		if err != nil {
			return err
		}
		said, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		if res.StatusCode != http.StatusNoContent {
			return fmt.Errorf("the fault %q: %s %s", fault, res.Status, said)
		}
	}
	return nil
}

// forwarded runs a printed port-forward with a free local port: its text port gives way to the free one and behind.
func forwarded(line, port, behind string) (local string, stop func(), err error) {
	if local, err = freePort(); err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	tunnel := exec.CommandContext(ctx, "bash", "-c", "exec "+strings.Replace(line, port, " "+local+behind, 1))
	if err := tunnel.Start(); err != nil {
		cancel()
		return "", nil, err
	}
	stop = func() { cancel(); _ = tunnel.Wait() }
	_, err = eventually(20*time.Second, "port-forward listens", func() (bool, error) {
		conn, err := net.Dial("tcp", "localhost:"+local)
		if err != nil {
			return false, err
		}
		return true, conn.Close()
	})
	if err != nil {
		stop()
		return "", nil, err
	}
	return local, stop, nil
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
