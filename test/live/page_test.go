package live

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
)

// startPod starts a pod with --dev. The settings ("NAME=value") are added.
func startPod(t *testing.T, settings ...string) *proctest.Process {
	t.Helper()
	pod := proctest.Launch(t, proctest.Program{
		Path: binary, Args: []string{"--dev"}, Keep: proctest.NoRequests,
		Env: append([]string{"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0"}, settings...),
	})
	if err := pod.Serving(); err != nil {
		t.Fatal(err)
	}
	return pod
}

// page is the live page of a pod, in its own tab.
type page struct {
	t      *testing.T
	tab    context.Context
	origin string

	mu       sync.Mutex
	trouble  []string // what went wrong in the page
	podsGone bool     // no pod answers any more, which the browser tells of
}

// open opens the live page of the pod at url and waits until it is live.
func open(t *testing.T, url string) *page {
	t.Helper()
	p := openPath(t, url, "")
	p.await(`document.getElementById("link").textContent == "live"`)
	return p
}

// openPath opens a page of the pod at url. The test fails at its end when the page has written an error to the console,
// has violated its Content-Security-Policy, or has made a request to another server.
func openPath(t *testing.T, url, path string) *page {
	t.Helper()
	tab, closeTab := chromedp.NewContext(browser)
	p := &page{t: t, tab: tab, origin: url + "/"}
	watch, stop := context.WithCancel(tab)
	var watching sync.WaitGroup
	t.Cleanup(func() {
		stop()
		watching.Wait()
		closeTab()
		for _, what := range p.trouble {
			t.Errorf("in the page: %s", what)
		}
	})
	console, requests := chromedp.Console(watch), chromedp.Events(watch, network.RequestWillBeSent)
	watching.Go(func() {
		for m, err := range console {
			if err == nil && m.Type != chromedp.ConsoleLog && m.Type != chromedp.ConsoleDebug {
				p.note(m.String())
			}
		}
	})
	watching.Go(func() {
		for r, err := range requests {
			if err == nil && !strings.HasPrefix(r.Request.URL, p.origin) && !strings.HasPrefix(r.Request.URL, "data:") {
				p.note("it asks for " + r.Request.URL)
			}
		}
	})
	p.do(chromedp.Navigate(p.origin + path))
	return p
}

func (p *page) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.podsGone {
		p.trouble = append(p.trouble, what)
	}
}

// kill ends the pod of the page. What the browser tells of from then on is no trouble.
func (p *page) kill(pod *proctest.Process) {
	p.mu.Lock()
	p.podsGone = true
	p.mu.Unlock()
	pod.Kill()
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab, await.Limit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// value returns the value of an expression in JavaScript.
func value[T any](p *page, expression string, options ...chromedp.EvaluateOption) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.tab, await.Limit)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		p.t.Fatalf("%s: %v\nthe page shows: %s", expression, err, p.text())
	}
	return v
}

// text returns the whole text of the page.
func (p *page) text() string {
	text, _ := chromedp.Run(p.tab, chromedp.Evaluate[string](`document.body.innerText`))
	return text
}

// await waits until a condition in JavaScript is true. It is checked whenever the page changes.
func (p *page) await(condition string) {
	p.t.Helper()
	value[bool](p, fmt.Sprintf(`new Promise(done => {
		const holds = () => { const is = Boolean(%s); if (is) done(true); return is; };
		if (holds()) return;
		const watch = new MutationObserver(() => { if (holds()) watch.disconnect(); });
		watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
	})`, condition), chromedp.EvalAwaitPromise)
}

// underLoad waits until a condition in JavaScript is true while load is sent. Load ends after a minute: on a slow
// machine it is begun again. This is recorded in a variable and not in an attribute, which would change the page.
func (p *page) underLoad(rate int, condition string) {
	p.t.Helper()
	p.await(fmt.Sprintf(`(() => {
		if (%[1]s) return true;
		const slider = document.getElementById("load"), left = document.getElementById("load-left").textContent;
		if (left != "no load") slider.asked = "";
		else if (!slider.asked) {
			slider.asked = "yes";
			slider.value = %[2]d;
			slider.dispatchEvent(new Event("change"));
		}
		return false;
	})()`, condition, rate))
}

// press focuses an element and presses keys.
func (p *page) press(selector, keys string) {
	p.t.Helper()
	p.do(chromedp.Focus(selector), chromedp.KeyEvent(keys))
}

// load moves the slider to a multiple of five requests a second, for a minute.
func (p *page) load(rate int) {
	p.t.Helper()
	p.press("#load", kb.Home+strings.Repeat(kb.ArrowRight, rate/5))
	want := "no load"
	if rate > 0 {
		want = fmt.Sprintf("%d/s are sent", rate)
	}
	p.await(fmt.Sprintf(`document.getElementById("load-left").textContent.startsWith(%q)`, want))
}

// scheme selects the light or the dark colours.
func (p *page) scheme(name string) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		prefers := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: prefers})
		return err
	}))
}
