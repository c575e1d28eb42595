package live

import (
	"fmt"
	"strings"
	"testing"

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

// TestAPIPageTriesAStream authorizes, tries the example of a stream and reads its events although the stream does not
// end. Then it stops the stream.
func TestAPIPageTriesAStream(t *testing.T) {
	t.Parallel()
	sim, err := vendorsim.Start(t.Context(), "", vendorsim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	if err := sim.AddFault(vendorsim.Fault{Kind: "stall", Chunks: 3}); err != nil {
		t.Fatal(err)
	}
	p := tryOut(t, startPod(t, "LLM_VENDOR_URL="+sim.URL).URL, "bearer")
	value[any](p, `write("#operations-Calls-llm .opblock-section-request-body .examples-select-element", "stream")`)
	p.await(`document.querySelector("#operations-Calls-llm .body-param__text").value.includes('"stream": true')`)
	value[any](p, `press("#operations-Calls-llm .execute")`)

	p.await(`!document.getElementById("stream").hidden`)
	p.await(`(document.getElementById("stream-text").textContent.match(/^data: /gm) || []).length == 3`)
	value[any](p, `press("#stream-stop")`)
	p.await(`document.getElementById("stream-title").textContent.includes("broken off")`)
}

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
	value[any](p, `press("#operations-Calls-llm .opblock-summary-control")`)
	p.await(`document.querySelector("#operations-Calls-llm .try-out__btn")`)
	value[any](p, `press("#operations-Calls-llm .try-out__btn")`)
	p.await(`document.querySelector("#operations-Calls-llm .execute")`)
	return p
}

// TestAPIPageTakesEveryKey: what is tried out is answered with the key in each of the headers that may carry one.
func TestAPIPageTakesEveryKey(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	for _, scheme := range []string{"bearer", "apiKey", "azureKey"} {
		p := tryOut(t, pod.URL, scheme)
		value[any](p, `press("#operations-Calls-llm .execute")`)
		p.await(`document.querySelector("#operations-Calls-llm .live-responses-table .response-col_status")`)
		if status := value[string](p, `document.querySelector("#operations-Calls-llm .live-responses-table tbody `+
			`.response-col_status").textContent.trim()`); !strings.HasPrefix(status, "200") {
			t.Errorf("with the key of %s: %s", scheme, status)
		}
	}
}

// TestAPIPageExplainsProblems: the type of an error document leads to its line.
func TestAPIPageExplainsProblems(t *testing.T) {
	t.Parallel()
	p := openPath(t, startPod(t).URL, "docs#shed")
	p.await(`document.querySelector("#shed.asked")`)
	if text := value[string](p, `document.getElementById("shed").innerText`); text == "" {
		t.Error("the line of the problem is empty")
	}
	p.await(`document.querySelector("#operations-Calls-llm")`)
}

// TestReDocShowsTheAPI: and it makes no requests to other servers.
func TestReDocShowsTheAPI(t *testing.T) {
	t.Parallel()
	p := openPath(t, startPod(t).URL, "redoc")
	p.await(`document.body.innerText.includes("/llm/jobs/{id}")`)
}
