package live

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	document "github.com/spillway-dev/spillway/internal/live"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// trial is what the chart installs with vendor.simulated, as processes: two pods, one Redis, and the simulated vendor.
type trial struct {
	t      *testing.T
	pods   []*proctest.Process
	vendor string // base URL of the vendor's control pages
}

// key is a client's. The load of the page has keys of its own.
const key = "a-client"

func startTrial(t *testing.T, settings ...string) *trial {
	t.Helper()
	sim := proctest.Launch(t, proctest.Program{Path: vendor, Args: []string{"-addr", "127.0.0.1:0", "-latency", "300ms"}})
	line, err := sim.Stdout.Line(await.Limit, "simulated vendor on ")
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSuffix(strings.Fields(line)[3], ",")
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, fmt.Appendf(nil, "%x ada pro\n", sha256.Sum256([]byte(key))), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &trial{t: t, vendor: strings.TrimSuffix(url, "/v1/chat/completions")}
	redis := redistest.Start(t)
	for range 2 {
		pod := proctest.Launch(t, proctest.Program{Path: binary, Keep: proctest.NoRequests, Env: append([]string{
			"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0", "LLM_REDIS_URL=" + redis.URL(),
			"LLM_REDIS_BUDGET=500ms",
			"LLM_VENDOR_URL=" + url, "LLM_API_KEYS_FILE=" + keys, "LLM_DRAIN_DELAY=0s",
		}, settings...)})
		if err := pod.Serving(); err != nil {
			t.Fatal(err)
		}
		w.pods = append(w.pods, pod)
	}
	return w
}

// send sends a request and returns the status and the body of the answer.
func send(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(said)
}

// press presses a button at the page of a pod.
func (w *trial) press(pod int, what, body string) {
	w.t.Helper()
	if status, said := send(w.t, "POST", w.pods[pod].Admin+"/debug/live/"+what, body); status != http.StatusNoContent {
		w.t.Fatalf("%s %s: %d %s", what, body, status, said)
	}
}

// shows waits until the snapshot of a pod has something.
func (w *trial) shows(pod int, what string, has func(s document.Document) bool) {
	w.t.Helper()
	await.True(w.t, fmt.Sprintf("pod %d shows %s", pod, what), func() bool {
		_, said := send(w.t, "GET", w.pods[pod].Admin+"/debug/live", "")
		var d document.Document
		if err := json.Unmarshal([]byte(said), &d); err != nil {
			w.t.Fatal(err)
		}
		return has(d)
	})
}

// watch keeps the page of a pod open.
func (w *trial) watch(pod int) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.pods[pod].Admin+"/debug/live/events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	events, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = events.Body.Close() })
}

func (w *trial) faults() (list []vendorsim.Fault) {
	w.t.Helper()
	_, said := send(w.t, "GET", w.vendor+"/faults", "")
	if err := json.Unmarshal([]byte(said), &list); err != nil {
		w.t.Fatal(err)
	}
	return list
}

// TestTwoPodsSteerOneVendor: what is pressed at the page of one pod shows at that of the other, which can end it.
func TestTwoPodsSteerOneVendor(t *testing.T) {
	t.Parallel()
	w := startTrial(t, "LLM_PLAYGROUND=true")
	w.watch(0)
	w.watch(1)
	fault := func(name string) func(document.Document) bool {
		return func(d document.Document) bool { return d.Play.Fault == name }
	}
	w.press(0, "fault", `{"fault":"down"}`)
	w.shows(1, "down", fault("down"))
	w.press(1, "fault", `{"fault":""}`)
	w.shows(0, "well", fault(""))
	if list := w.faults(); len(list) > 0 {
		t.Errorf("well, and the faults are %+v", list)
	}
	send(t, "POST", w.vendor+"/faults", `{"kind":"malformed"}`) // as with curl
	w.shows(0, "a fault of another origin", fault("other"))
	w.press(0, "fault", `{"fault":""}`)

	// The vendor grants less: it refuses calls of both pods, and each is told. Ended at the other pod, it has no
	// contract again.
	w.press(0, "fault", `{"fault":"smaller contract"}`)
	refused := func(d document.Document) bool {
		for _, r := range d.Vendor.Results {
			if r.Name == "rate_limited" || r.Name == "status_429" || strings.Contains(r.Name, "limit") {
				return r.Total > 0
			}
		}
		return false
	}
	for n := range w.pods {
		w.press(n, "load", `{"rate":60}`)
	}
	for n := range w.pods {
		w.shows(n, "refusals of the vendor", refused)
	}
	w.press(1, "fault", `{"fault":""}`)
	if _, said := send(t, "GET", w.vendor+"/config", ""); !strings.Contains(said, `"contract":{"requests":0,`) {
		t.Errorf("the vendor grants something else now: %s", said)
	}
	for n := range w.pods {
		w.press(n, "load", `{"rate":0}`)
	}

	// Redis freezes for one pod, and the other one has it all the time.
	shared := func(is bool) func(document.Document) bool {
		return func(d document.Document) bool { return d.Redis.Shared == is && d.Play.Frozen == !is }
	}
	w.press(0, "redis", `{"frozen":true}`)
	w.press(0, "load", `{"rate":20}`)
	w.shows(0, "Redis away", shared(false))
	w.shows(1, "Redis shared", shared(true))
	w.press(0, "redis", `{"frozen":false}`)
	w.shows(0, "Redis shared", shared(true))
	w.press(0, "load", `{"rate":0}`)
}

// TestTwoPodsOnOnePage: the story opens the breaker that both share.
func TestTwoPodsOnOnePage(t *testing.T) {
	t.Parallel()
	w := startTrial(t, "LLM_PLAYGROUND=true", "LLM_BREAKER_OPEN=2s")
	w.press(0, "story", `{"run":true}`)
	w.shows(1, "the breaker open", func(d document.Document) bool { return d.Breaker.State == "open" })
	w.shows(0, "the end of the story", func(d document.Document) bool {
		told := d.Play.Story.Told
		return !d.Play.Story.Running && len(told) == 5 && told[4].Title == "The breaker closes"
	})
	w.shows(1, "the breaker closed", func(d document.Document) bool { return d.Breaker.State == "closed" })
}

// TestTheMainPortHasNoPage with the chart's settings, and its clients find none of the buttons.
func TestTheMainPortHasNoPage(t *testing.T) {
	t.Parallel()
	w := startTrial(t, "LLM_PLAYGROUND=true")
	for _, r := range [][2]string{{"GET", "/"}, {"GET", "/debug/live"}, {"POST", "/debug/live/load"}} {
		if status, _ := send(t, r[0], w.pods[0].URL+r[1], `{"rate":5}`); status != http.StatusNotFound {
			t.Errorf("%s %s on the main port: %d", r[0], r[1], status)
		}
	}
	if status, said := send(t, "POST", w.pods[0].URL+"/llm", `{"model":"m","messages":[]}`); status != http.StatusOK {
		t.Errorf("a client: %d %s", status, said)
	}
}

// TestWithoutThePlaygroundTheVendorIsLeftAlone although it is a simulator.
func TestWithoutThePlaygroundTheVendorIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := startTrial(t)
	for what, body := range map[string]string{"fault": `{"fault":"down"}`, "load": `{"rate":5}`,
		"story": `{"run":true}`, "redis": `{"frozen":true}`} {
		status, said := send(t, "POST", w.pods[0].Admin+"/debug/live/"+what, body)
		if status != http.StatusForbidden || len(w.faults()) > 0 {
			t.Errorf("%s: %d %s", what, status, said)
		}
	}
}

// TestStoryInTheBrowser is the story as one who watches sees it at the page of a pod of the chart.
func TestStoryInTheBrowser(t *testing.T) {
	t.Parallel()
	w := startTrial(t, "LLM_PLAYGROUND=true", "LLM_BREAKER_OPEN=2s")
	p := open(t, w.pods[0].Admin)
	watchStory(p)
}
