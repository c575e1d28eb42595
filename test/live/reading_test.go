package live

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// events waits until the page has shown so many further events.
func (p *page) events(n int) {
	p.t.Helper()
	value[bool](p, `(window.seen = new Set(), true)`)
	p.await(fmt.Sprintf(`(seen.add(points[points.length - 1].at), seen.size > %d)`, n))
}

// TestWhatIsReadStays: an ID that is selected, to be copied, stays selected while events come.
func TestWhatIsReadStays(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.load(20)
	p.press(`button[data-fault="down"]`, kb.Enter)
	p.underLoad(20, `document.querySelectorAll("#refused tr").length > 3`)
	id := value[string](p, `(() => {
		const cell = document.querySelector("#refused tr").lastChild;
		getSelection().selectAllChildren(cell);
		return cell.textContent;
	})()`)
	p.events(3)
	if got := value[string](p, `getSelection().toString()`); got != id {
		t.Errorf("%q was selected, and now %q is", id, got)
	}
	value[any](p, `getSelection().removeAllRanges()`)
	p.underLoad(20, `document.querySelector("#refused tr").lastChild.textContent != "`+id+`"`)
}

// TestScreenReadersAreToldWhatIsNew, and not every second what they know.
func TestScreenReadersAreToldWhatIsNew(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.load(5)
	p.events(2)
	value[bool](p, `(() => {
		window.told = [];
		const watch = new MutationObserver(all => all.forEach(m => told.push(m.target.textContent)));
		for (const e of document.querySelectorAll("[role=status], [role=alert], [aria-live], output"))
			watch.observe(e, { subtree: true, childList: true, characterData: true });
		return true;
	})()`)
	p.events(3)
	if again := value[[]string](p, `told.filter((text, n) => told.indexOf(text) < n)`); len(again) > 0 {
		t.Errorf("they are told again and again: %q", again)
	}
	p.press(`button[data-fault="slow"]`, kb.Enter)
	p.await(`told.some(text => text.includes("three seconds longer"))`)
}

// TestChartsAreReadByKeyboard: the arrows go from second to second, and the values there are said.
func TestChartsAreReadByKeyboard(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.load(20)
	p.events(4)
	p.press(".chart", kb.ArrowLeft)
	said := `document.querySelector("figure [role=status]").textContent`
	p.await(said + ` != ""`)
	first := value[string](p, said)
	if !strings.Contains(first, "in ") || !strings.Contains(first, "answered ") {
		t.Errorf("the chart says %q", first)
	}
	p.press(".chart", kb.ArrowLeft)
	p.await(said + ` != "` + first + `"`)
	if name := value[string](p, `charts[1].box.getAttribute("aria-label")`); !strings.HasPrefix(name, "Vendor latency: p50 ") {
		t.Errorf("the second chart is called %q", name)
	}
}

// TestAPodThatIsGoneLooksGone: what the page shows is of the past, and says so.
func TestAPodThatIsGoneLooksGone(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	p := open(t, pod.URL)
	p.await(`document.getElementById("state").textContent == "ready"`)
	p.kill(pod)
	p.await(`document.getElementById("state").textContent == "not known" && document.body.classList.contains("past")`)
	p.await(`document.getElementById("link").textContent == "no connection, trying again"`)
}

// TestAFaultSaysWhatItDoes, and that nothing shows it while no requests come.
func TestAFaultSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.await(`document.getElementById("try-line").textContent.startsWith("curl ")`)
	p.press(`button[data-fault="429"]`, kb.Enter)
	p.await(`document.getElementById("fault-says").textContent.includes("429 with Retry-After")`)
	p.await(`document.getElementById("no-lesson").textContent.includes("move the load")`)
	p.load(20)
	p.underLoad(20, `document.getElementById("no-lesson").hidden`)
}

// TestForcedColours, as Windows has them for high contrast, leave to be seen which button is pressed.
func TestForcedColours(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.await(`document.querySelector("#faults [aria-pressed=true]")`)
	p.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		forced := []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: forced})
		return err
	}))
	p.await(`matchMedia("(forced-colors: active)").matches`)
	if value[bool](p, `(() => {
		const button = is => document.querySelector("#faults [aria-pressed=" + is + "]");
		const ground = is => getComputedStyle(button(is)).backgroundColor;
		return ground(true) == ground(false);
	})()`) {
		t.Error("the button that is pressed looks like the others")
	}
}
