package live

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/spillway-dev/spillway/internal/await"
	document "github.com/spillway-dev/spillway/internal/live"
	"github.com/spillway-dev/spillway/internal/proctest"
)

// TestStory is what a newcomer does: some load, the vendor down, and what the page shows of it.
func TestStory(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	p := open(t, pod.URL)

	p.load(20)
	p.await(`Number(document.querySelector("[data-outcome=ok]")?.dataset.total) >= 20`)

	// The vendor is down: the breaker opens, says when it will probe, and requests are refused before they cost
	// anything.
	p.press(`button[data-fault="down"]`, kb.Enter)
	p.await(`document.querySelector("[data-fault=down]").getAttribute("aria-pressed") == "true"`)
	p.underLoad(20, box("breaker", "open, probe in"))
	p.underLoad(20, `document.getElementById("lessons").textContent.includes("internal/llm/breaker/breaker.go")`)
	p.underLoad(20, box("fail_fast", "refused vendor_unavailable"))
	p.await(`[...document.querySelectorAll("#refused tr")].some(row => row.textContent.includes("vendor_unavailable"))`)

	// It recovers: probes succeed, and the breaker closes.
	p.press(`button[data-fault=""]`, kb.Enter)
	p.underLoad(20, box("breaker", "closed"))
	p.await(box("breaker", "won")) // the probes
	p.await(`!document.querySelector("[data-layer=breaker]").classList.contains("reacts")`)

	// The load ends. When no request is inside any more, the page has counted what /metrics has.
	p.load(0)
	agree(t, p, pod)
}

// TestTheBreakerIsShown is what a newcomer presses first: one button, which shows a breaker open, probe and close.
func TestTheBreakerIsShown(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	watchStory(p)

	// Another button ends the story at once.
	p.press("#story-button", kb.Enter)
	p.await(scene("The vendor goes down"))
	p.press(`button[data-fault="slow"]`, kb.Enter)
	p.await(scene("Stopped"))
	p.await(`document.getElementById("story-button").textContent == "Show me"`)
	p.await(`document.querySelector("[data-fault=slow]").getAttribute("aria-pressed") == "true"`)

	// So does its own, which leaves a vendor that is well and no load.
	p.press("#story-button", kb.Enter)
	p.await(`document.getElementById("story-button").textContent == "Stop"`)
	p.press("#story-button", kb.Enter)
	p.await(scene("Stopped"))
	p.await(`document.getElementById("load-left").textContent == "no load"`)
	p.await(`document.querySelector("#faults [aria-pressed=true]").dataset.fault == ""`)
}

// watchStory presses the button with the keyboard and watches the story to its end.
func watchStory(p *page) {
	p.t.Helper()
	p.press("#story-button", kb.Enter)
	for _, title := range []string{"Requests flow", "The vendor goes down", "The breaker opens",
		"The probe fails", "The breaker closes"} {
		p.await(scene(title))
	}
	if live := value[string](p, `document.getElementById("story").getAttribute("aria-live")`); live != "polite" {
		p.t.Errorf("a screen reader is told of the scenes as %q", live)
	}
	p.await(box("breaker", "closed"))
	p.await(box("breaker", "won"))
	p.await(box("breaker", "lost"))
	p.await(`document.getElementById("story-button").textContent == "Show me"`)
	if focus := value[string](p, `document.activeElement.id`); focus != "story-button" {
		p.t.Errorf("the focus has gone to %q", focus)
	}
}

// scene is the condition that a scene of the story has been told.
func scene(title string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#story li b")].some(e => e.textContent == %q)`, title+". ")
}

// box is the condition that the box of a layer shows a text.
func box(layer, text string) string {
	return fmt.Sprintf(`document.querySelector("[data-layer=%s]").textContent.replaceAll("\u200b", "").includes(%q)`,
		layer, text)
}

// counted is what /metrics has of the requests by how they ended, in the names of the page.
func counted(t *testing.T, pod *proctest.Process) map[string]float64 {
	t.Helper()
	answer, err := http.Get(pod.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	ended := map[string]float64{}
	for _, m := range families["llm_http_requests_total"].GetMetric() {
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		if labels["route"] == "/llm" {
			ended[cmp.Or(labels["reason"], "ok")] += m.GetCounter().GetValue()
		}
	}
	return ended
}

// shown is what the page has of them: by outcome, and how many went which way.
type shown struct {
	Outcomes map[string]float64
	Ended    float64 // in the first box
	Refused  float64 // or failed, in the boxes of all layers
}

const readShown = `(() => {
	const totals = selector => [...document.querySelectorAll(selector)].map(e => Number(e.dataset.total));
	const sum = selector => totals(selector).reduce((all, n) => all + n, 0);
	return {
		outcomes: Object.fromEntries([...document.querySelectorAll("[data-outcome]")]
			.map(e => [e.dataset.outcome, Number(e.dataset.total)])),
		ended: sum("#way .edge [data-total]"), refused: sum("#way [data-layer] [data-total]"),
	};
})()`

// agree waits until the totals of the page are those of /metrics.
func agree(t *testing.T, p *page, pod *proctest.Process) {
	t.Helper()
	var metrics map[string]float64
	var page shown
	defer func() { t.Logf("/metrics: %v, the page: %+v", metrics, page) }()
	await.True(t, "the page and /metrics have the same totals", func() bool {
		metrics, page = counted(t, pod), value[shown](p, readShown)
		all := 0.0
		for _, n := range metrics {
			all += n
		}
		return maps.Equal(metrics, page.Outcomes) && page.Ended == all && page.Refused == all-metrics["ok"]
	})
}

// TestThePageShowsTheWay of a request as the README's picture has it, and what gets through and ends at each step.
func TestThePageShowsTheWay(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	var want []string
	for _, step := range document.Way() {
		want = append(want, step.Name)
	}
	if got := value[[]string](p, `[...document.querySelectorAll("#way [data-layer]")].map(e => e.dataset.layer)`); !slices.Equal(got, want) {
		t.Errorf("the page has the steps %q, want %q", got, want)
	}

	// Where requests are turned away, the stream that gets through grows narrower by as much.
	p.load(60)
	p.press(`button[data-fault="down"]`, kb.Enter)
	p.underLoad(60, box("fail_fast", "refused vendor_unavailable"))
	p.underLoad(60, `(() => {
		const part = (layer, name) => document.querySelector("[data-layer=" + layer + "] ." + name);
		const width = (layer, name) => parseFloat(part(layer, name).style.width);
		const before = width("user_concurrency", "pass");
		const pass = width("fail_fast", "pass"), turned = width("fail_fast", "turned");
		return turned > 0 && pass < before && Math.abs(before - pass - turned) < 0.2;
	})()`)
}

func TestRedisFreezes(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.load(20)
	p.press(`button[data-frozen="true"]`, kb.Enter)
	p.underLoad(20, `document.getElementById("lessons").textContent.includes("internal/redisx/guard.go")`)
	p.underLoad(20, `document.getElementById("facts").textContent.includes("away: this pod is alone")`)
	p.press(`button[data-frozen="false"]`, kb.Enter)
	p.await(`document.getElementById("facts").textContent.includes("shared with all pods")`)
}
