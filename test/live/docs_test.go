package live

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// Helpers for Swagger UI: press the element of a selector, and write into a field as the keyboard does, so that React
// notices it.
const person = `
	window.press = (selector) => document.querySelector(selector).click();
	window.write = (selector, text) => {
		const field = document.querySelector(selector), type = Object.getPrototypeOf(field);
		Object.getOwnPropertyDescriptor(type, "value").set.call(field, text);
		field.dispatchEvent(new Event(field.tagName == "SELECT" ? "change" : "input", { bubbles: true }));
	};
	true`

// Selectors of the operation POST /llm.
const (
	llmOperation = "operations-Calls-llm"
	llmTry       = "#" + llmOperation + " .try-out__btn"
)

// tryOut opens the API page, gives a well-known key by a scheme, and opens POST /llm so that it can be executed.
func tryOut(t *testing.T, url, scheme string) *page {
	t.Helper()
	p := openPath(t, url, "docs")
	p.await(`document.querySelector("#operations-Calls-llm")`)
	value[bool](p, person)
	value[any](p, `press(".auth-wrapper .authorize")`)
	p.await(`document.querySelector(".auth-container input")`)
	value[bool](p, fmt.Sprintf(`(() => {
		const box = [...document.querySelectorAll(".auth-container")].find(e => e.textContent.startsWith(%q));
		box.id = "mine";
		write("#mine input", "dev-pro");
		return true;
	})()`, scheme))
	value[any](p, `press("#mine .auth-btn-wrapper .authorize")`)
	p.await(`document.querySelector(".auth-btn-wrapper .btn-done")`)
	value[any](p, `press(".auth-btn-wrapper .btn-done")`)
	p.tryOperation(llmOperation)
	return p
}

// tryOperation opens an operation so that it can be executed.
func (p *page) tryOperation(operation string) {
	p.t.Helper()
	value[any](p, fmt.Sprintf(`press("#%s .opblock-summary-control")`, operation))
	p.await(fmt.Sprintf(`document.querySelector("#%s .try-out__btn")`, operation))
	value[any](p, fmt.Sprintf(`press("#%s .try-out__btn")`, operation))
	p.await(fmt.Sprintf(`document.querySelector("#%s .execute")`, operation))
}

// status is the status that POST /llm was answered with.
func (p *page) status() string {
	p.t.Helper()
	return value[string](p, `document.querySelector("#operations-Calls-llm .live-responses-table tbody `+
		`.response-col_status").textContent.trim()`)
}

// TestAPIPageTakesEveryKey: what is tried out is answered with the key in each of the headers that may carry one.
func TestAPIPageTakesEveryKey(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	for _, scheme := range []string{"bearer", "apiKey", "azureKey"} {
		p := tryOut(t, pod.URL, scheme)
		value[any](p, `press("#operations-Calls-llm .execute")`)
		p.await(`document.querySelector("#operations-Calls-llm .live-responses-table .response-col_status")`)
		if status := p.status(); !strings.HasPrefix(status, "200") {
			t.Errorf("with the key of %s: %s", scheme, status)
		}
	}
}

// stalled starts a pod whose vendor sends three events of a stream and then nothing more.
func stalled(t *testing.T) *proctest.Process {
	t.Helper()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	if err := sim.AddFault(vendorsim.Fault{Kind: "stall", Chunks: 3}); err != nil {
		t.Fatal(err)
	}
	return startPod(t, "LLM_VENDOR_URL="+sim.URL, "LLM_STREAM_IDLE=10m") // the service itself ends none
}

// openStreams waits until a pod has n open streams.
func openStreams(t *testing.T, pod *proctest.Process, n int) {
	t.Helper()
	want := fmt.Sprintf("\nllm_streams_open %d\n", n)
	await.True(t, fmt.Sprintf("%d open streams", n), func() bool {
		_, said := send(t, "GET", pod.Admin+"/metrics", "")
		return strings.Contains(said, want)
	})
}

// askForStream executes an operation with its example of a stream.
func (p *page) askForStream(operation string) {
	p.t.Helper()
	value[any](p, fmt.Sprintf(`write("#%s .examples-select-element", "stream")`, operation))
	p.await(fmt.Sprintf(`document.querySelector("#%s .body-param__text").value.includes('"stream": true')`, operation))
	value[any](p, fmt.Sprintf(`press("#%s .execute")`, operation))
}

// hasEvents is that the place of an operation shows the events of a stream.
const hasEvents = `(document.querySelector("#%s .stream:not([hidden]) .stream-text")?.textContent
	.match(/^data: /gm) || []).length >= 3`

// stream does so, and waits for the events of a stream that goes on.
func (p *page) stream(operation string) {
	p.t.Helper()
	p.askForStream(operation)
	p.await(fmt.Sprintf(hasEvents+` && document.querySelector("#%[1]s .stream-state").textContent == "running"`,
		operation))
}

// TestAPIPageTriesAStream authorizes, tries the example of a stream and reads its events although the stream does not
// end. Then it stops the stream, and sees the answer as far as it came.
func TestAPIPageTriesAStream(t *testing.T) {
	t.Parallel()
	pod := stalled(t)
	p := tryOut(t, pod.URL, "bearer")
	p.stream(llmOperation)
	openStreams(t, pod, 1)
	value[any](p, `press("#operations-Calls-llm .stream-stop")`)
	p.await(`document.querySelector("#operations-Calls-llm .stream-state")?.textContent == "stopped by you"`)
	p.await(`document.querySelector("#operations-Calls-llm .live-responses-table")`)
	shown := value[string](p, `document.querySelector("#operations-Calls-llm .live-responses-table").innerText`)
	for _, want := range []string{"200", "data: ", "x-request-id: "} {
		if !strings.Contains(shown, want) {
			t.Errorf("the answer lacks %q: %s", want, shown)
		}
	}
	if strings.Contains(shown, "Undocumented") {
		t.Errorf("the answer is %s", shown)
	}
	openStreams(t, pod, 0)
}

// TestNoStreamRunsUnseen: each way to leave a stream ends it.
func TestNoStreamRunsUnseen(t *testing.T) {
	t.Parallel()
	pod := stalled(t)
	p := tryOut(t, pod.URL, "bearer")
	for _, way := range []string{
		`press("#operations-Calls-llm .stream-close")`,
		`press("#operations-Calls-llm .btn-clear")`, // there is an answer by now
		`press("#operations-Calls-llm .try-out__btn.cancel")`,
		`press("#operations-Calls-llm .opblock-summary-control")`,
		`press("#operations-tag-Calls button")`,
		`dispatchEvent(new Event("pagehide"))`, // a page that is kept to go back to
		`location.href = "redoc"`,
	} {
		for _, control := range []string{"#operations-tag-Calls[data-is-open=false] button",
			"#operations-Calls-llm:not(.is-open) .opblock-summary-control", llmTry + ":not(.cancel)"} {
			value[any](p, fmt.Sprintf(`{ const e = document.querySelector(%q); if (e) e.click(); }`, control))
			p.await(`document.querySelector("#operations-Calls-llm")`)
		}
		p.await(`document.querySelector("#operations-Calls-llm .execute")`)
		p.stream(llmOperation)
		openStreams(t, pod, 1)
		value[any](p, way)
		openStreams(t, pod, 0)
	}
}

// TestStreamsHaveTheirPlaces: two at a time do not mix, and each has its own button.
func TestStreamsHaveTheirPlaces(t *testing.T) {
	t.Parallel()
	pod := stalled(t)
	p := tryOut(t, pod.URL, "bearer")
	const other = "operations-Calls-chatCompletions"
	p.tryOperation(other)
	p.stream(llmOperation)
	p.stream(other)
	openStreams(t, pod, 2)
	value[any](p, `press("#operations-Calls-llm .stream-stop")`)
	openStreams(t, pod, 1)
	p.await(`document.querySelector("#` + other + ` .stream-state")?.textContent == "running"`)
	value[any](p, `press("#`+other+` .stream-stop")`)
	openStreams(t, pod, 0)
}

// TestDevNamesItsKeys: one press gives a key, and the pages lead to the live page. No other service says either.
func TestDevNamesItsKeys(t *testing.T) {
	t.Parallel()
	p := openPath(t, startPod(t).URL, "docs")
	p.await(`document.querySelector("#keys button:enabled")`)
	value[bool](p, person)
	value[any](p, `press("#keys button:nth-of-type(2)")`)
	p.tryOperation(llmOperation)
	value[any](p, `press("#operations-Calls-llm .execute")`)
	p.await(`document.querySelector("#operations-Calls-llm .live-responses-table .response-col_status")`)
	if status := p.status(); !strings.HasPrefix(status, "200") {
		t.Errorf("with a key of the page: %s", status)
	}
	w := startTrial(t)
	for _, path := range []string{"docs", "redoc"} {
		dev, other := openPath(t, p.origin[:len(p.origin)-1], path), openPath(t, w.pods[0].URL, path)
		const links = `[...document.querySelectorAll("nav[aria-label=Pages] a")].map(a => new URL(a.href).pathname)`
		if got := value[[]string](dev, links); !slices.Contains(got, "/") || !slices.Contains(got, "/docs") ||
			!slices.Contains(got, "/redoc") {
			t.Errorf("/%s with --dev leads to %q", path, got)
		}
		if got := value[[]string](other, links); slices.Contains(got, "/") || len(got) < 3 {
			t.Errorf("/%s leads to %q", path, got)
		}
		if value[bool](other, `document.body.textContent.includes("dev-")`) {
			t.Errorf("/%s names a key", path)
		}
	}
}
