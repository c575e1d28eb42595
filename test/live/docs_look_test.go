package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/spillway-dev/spillway/internal/await"
)

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

// TestReDocShowsTheAPI: and it makes no requests to other servers. Its search finds an operation.
func TestReDocShowsTheAPI(t *testing.T) {
	t.Parallel()
	p := openPath(t, startPod(t).URL, "redoc")
	p.await(`document.body.innerText.includes("/llm/jobs/{id}")`)
	value[bool](p, person)
	value[any](p, `write("[role=search] input", "cancel")`)
	p.await(`document.querySelector("[data-role='search:results'] li")`)
}

// pale lists the texts whose contrast with what is behind them is below 4.5. Backgrounds may be translucent.
const pale = `(() => {
	const parts = c => { const p = c.match(/[\d.]+/g).map(Number); return p.length < 4 ? [...p, 1] : p; };
	const over = (top, below) => [0, 1, 2].map(n => top[n] * top[3] + below[n] * (1 - top[3]));
	const light = c => c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
	const behind = e => {
		const c = parts(getComputedStyle(e).backgroundColor);
		if (c[3] == 1) return c.slice(0, 3);
		return over(c, e.parentElement ? behind(e.parentElement) : [255, 255, 255]);
	};
	const opacity = e => e ? getComputedStyle(e).opacity * opacity(e.parentElement) : 1;
	return [...document.querySelectorAll("body *")]
		.filter(e => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && opacity(e) > 0)
		.filter(e => e.value || [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
		.map(e => {
			const b = behind(e), c = parts(getComputedStyle(e).color);
			c[3] *= opacity(e);
			const x = light(over(c, b)), y = light(b), name = e.tagName + "." + e.getAttribute("class");
			const ratio = (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
			return [name + " " + (e.value || e.textContent).trim().slice(0, 40), ratio];
		})
		.filter(([, ratio]) => ratio < 4.5).map(([text, ratio]) => text + ": " + ratio.toFixed(2));
})()`

// look finds nothing hard to read in a page, returns its background, and leaves it 320 pixels wide.
func (p *page) look(what string) (background string) {
	p.t.Helper()
	if texts := value[[]string](p, pale); len(texts) > 0 {
		slices.Sort(texts)
		p.t.Errorf("%s: hard to read:\n%s", what, strings.Join(slices.Compact(texts), "\n"))
	}
	if n := value[int](p, `document.querySelectorAll("main, [role=main]").length`); n != 1 {
		p.t.Errorf("%s has %d main landmarks", what, n)
	}
	p.do(chromedp.EmulateViewport(320, 640))
	if wide := value[int](p, `document.documentElement.scrollWidth`); wide > 320 {
		p.t.Errorf("%s is %d wide", what, wide)
	}
	return value[string](p, `getComputedStyle(document.body).backgroundColor`)
}

// TestAPIPagesLook: they follow the system's scheme, are readable in both, and no wider than the screen.
func TestAPIPagesLook(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	backgrounds := map[string]map[string]bool{"docs": {}, "redoc": {}}
	for _, scheme := range []string{"light", "dark"} {
		p := tryOut(t, pod.URL, "bearer")
		p.scheme(scheme)
		value[any](p, `press("#operations-Calls-llm .execute")`)
		p.await(`document.querySelector("#operations-Calls-llm .live-responses-table .response-col_status")`)
		p.askForStream(llmOperation)
		p.await(fmt.Sprintf(hasEvents, llmOperation))
		p.await(fmt.Sprintf(`document.documentElement.classList.contains("dark-mode") == %t`, scheme == "dark"))
		value[any](p, `Promise.allSettled(document.getAnimations().filter(a => a instanceof CSSTransition)
			.map(a => a.finished)).then(() => true)`, chromedp.EvalAwaitPromise)
		backgrounds["docs"][p.look("/docs, "+scheme)] = true
		p.do(chromedp.Navigate(pod.URL + "/docs")) // it begins in the scheme, too
		p.await(fmt.Sprintf(`document.documentElement.classList.contains("dark-mode") == %t`, scheme == "dark"))

		p = openPath(t, pod.URL, "redoc")
		p.scheme(scheme)
		await.True(t, scheme+" colours", func() bool { // the page is loaded again for them
			color, _ := chromedp.Run(p.tab, chromedp.Evaluate[string](
				`getComputedStyle(document.querySelector(".menu-content")).color + document.readyState`))
			return color == map[string]string{"light": "rgb(51, 51, 51)", "dark": "rgb(228, 230, 230)"}[scheme]+"complete"
		})
		p.await(`document.querySelector("#redoc")?.innerText.includes("/llm/jobs/{id}")`)
		backgrounds["redoc"][p.look("/redoc, "+scheme)] = true
	}
	for name, seen := range backgrounds {
		if len(seen) != 2 {
			t.Errorf("/%s: light and dark look the same: %v", name, seen)
		}
	}
}

// TestAPIPagesWithoutScripts say what they need and where the description is.
func TestAPIPagesWithoutScripts(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	for _, path := range []string{"docs", "redoc"} {
		p := openPath(t, pod.URL, path)
		p.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			_, err := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled,
				emulation.SetScriptExecutionDisabledParams{Value: true})
			return err
		}), chromedp.Navigate(p.origin+path))
		if text := p.text(); !strings.Contains(text, "needs JavaScript") {
			t.Errorf("/%s without JavaScript shows %q", path, text)
		}
	}
}
