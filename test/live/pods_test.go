package live

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// TestAllPodsAsOne: with two pods on one Redis, the page of one shows the figures of both, and shows when Redis is
// away.
func TestAllPodsAsOne(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	here, there := startPod(t, "LLM_REDIS_URL="+redis.URL()), startPod(t, "LLM_REDIS_URL="+redis.URL())
	p := open(t, here.URL)
	p.press(`button[data-pods="all"]`, kb.Enter)
	p.await(`document.querySelectorAll("#pods tr").length == 2`)
	p.do(chromedp.Reload()) // the address says that it is of all pods
	p.await(`document.querySelectorAll("#pods tr").length == 2`)

	// Load on both until both have answered. When it has ended, the page has the counts of both.
	p.load(20)
	setLoad(t, there, `{"rate":20}`)
	answered := func(pod *proctest.Process) bool { return counted(t, pod)["ok"] > 0 }
	await.True(t, "both pods have answered", func() bool { return answered(here) && answered(there) })
	p.load(0)
	setLoad(t, there, `{"rate":0}`)
	await.True(t, "the page has the sum of both", func() bool {
		sums := counted(t, here)
		for outcome, n := range counted(t, there) {
			sums[outcome] += n
		}
		page := value[shown](p, readShown)
		return page.Outcomes["ok"] == sums["ok"] && page.Outcomes["client_closed"] == sums["client_closed"] &&
			sums["ok"] > 1
	})

	// Redis is away: the page shows it, and only its own pod. Redis is back: all pods again.
	redis.Kill()
	p.await(`document.getElementById("alone").textContent.includes("Redis is away")`)
	p.await(`document.getElementById("pods-box").hidden`)
	p.await(`document.getElementById("redis-state").textContent == "Redis is away"`)
	redis.Restart()
	p.await(`document.querySelectorAll("#pods tr").length == 2 && document.getElementById("alone").textContent == ""`)
	p.press(`button[data-pods="one"]`, kb.Enter)
	p.await(`document.getElementById("scope").textContent == "pod"`)
}

// TestAPodThatStandsStill for some seconds, as on a laptop that was closed: its page says so, and is live again when
// the pod goes on, with this pod and with all pods.
func TestAPodThatStandsStill(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	p := open(t, pod.URL)
	for _, whose := range []string{"one", "all"} {
		p.press(`button[data-pods="`+whose+`"]`, kb.Enter)
		p.await(`document.getElementById("link").textContent == "live"`)
		signal(t, pod, syscall.SIGSTOP)
		p.await(`document.getElementById("link").textContent == "no events"`)
		signal(t, pod, syscall.SIGCONT)
		p.await(`document.getElementById("link").textContent == "live"`)
	}
	p.await(`document.querySelectorAll("#pods tr").length == 1`)
}

func signal(t *testing.T, pod *proctest.Process, s syscall.Signal) {
	t.Helper()
	if err := pod.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// setLoad sets the load of a pod, as its page does.
func setLoad(t *testing.T, pod *proctest.Process, body string) {
	t.Helper()
	answer, err := http.Post(pod.URL+"/debug/live/load", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Fatalf("the load: %s", answer.Status)
	}
}
