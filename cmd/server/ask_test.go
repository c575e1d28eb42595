package main_test

import (
	"strings"
	"testing"
)

// TestAskIsAnsweredByARunningService does what `helm test` does: the image's own binary sends one request, and its exit
// status shows the result.
func TestAskIsAnsweredByARunningService(t *testing.T) {
	t.Parallel()
	service := start(t, nil, "--dev")
	asked := func(url string, env ...string) (int, *process) {
		t.Helper()
		p := launch(t, env, "-ask", url)
		return p.exit(), p
	}
	if status, p := asked(service.URL+"/", "ASK_API_KEY=dev-pro", "ASK_MODEL=demo"); status != 0 ||
		!strings.Contains(p.Stdout.String(), "/llm answered: ") {
		t.Errorf("status %d", status)
	}
	if status, p := asked(service.URL, "ASK_API_KEY=dev-pro", "ASK_ADMIN_URL="+service.Admin); status != 0 ||
		!strings.Contains(p.Stdout.String(), "a pod is ready\n") {
		t.Errorf("with the admin port: status %d", status)
	}
	if status, p := asked("http://llm.invalid:80", "ASK_API_KEY=dev-pro"); status != 1 ||
		!strings.Contains(p.Stderr.String(), "the name is not resolved: DNS") {
		t.Errorf("without DNS: status %d", status)
	}
	if status, p := asked(service.URL); status != 0 || !strings.Contains(p.Stdout.String(), "asks for a key") {
		t.Errorf("without a key: status %d", status)
	}
	if status, p := asked(service.URL, "ASK_API_KEY=wrong"); status != 1 ||
		!strings.Contains(p.Stderr.String(), "401") {
		t.Errorf("with a wrong key: status %d", status)
	}
	service.terminate()
	service.exit()
	if status, p := asked(service.URL, "ASK_API_KEY=dev-pro"); status != 1 ||
		!strings.Contains(p.Stderr.String(), "no pod is ready") {
		t.Errorf("of a service that is gone: status %d", status)
	}
}
