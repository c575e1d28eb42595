package live

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focusable marks everything that the keyboard must reach with a number, and returns how many there are.
const focusable = `(() => {
	const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
	const shown = all.filter(e => e.checkVisibility() && !e.disabled);
	shown.forEach((e, n) => { e.dataset.stop = n; });
	return shown.length;
})()`

func TestTheKeyboardReachesEverything(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.await(`document.querySelectorAll("#faults button").length > 1`)
	n := value[int](p, focusable)
	if n < 8 {
		t.Fatalf("the page has %d controls, which is too few", n)
	}
	var reached []int
	for range n {
		p.do(chromedp.KeyEvent(kb.Tab))
		stop := value[struct {
			Number  string
			Outline string
		}](p,
			`({ number: document.activeElement.dataset.stop || "-1", outline: getComputedStyle(document.activeElement).outlineStyle })`)
		var number int
		fmt.Sscan(stop.Number, &number)
		reached = append(reached, number)
		if stop.Outline == "none" {
			t.Errorf("control %d does not show that it has the focus", number)
		}
	}
	slices.Sort(reached)
	for want := range n {
		if _, found := slices.BinarySearch(reached, want); !found {
			t.Errorf("Tab does not reach %s", value[string](p,
				fmt.Sprintf(`document.querySelector("[data-stop='%d']").outerHTML`, want)))
		}
	}
}

func TestScreenReadersHaveANameForEverything(t *testing.T) {
	t.Parallel()
	p := open(t, startPod(t).URL)
	p.await(`document.querySelectorAll("#faults button").length > 1`)
	tree, err := chromedp.Run(p.tab, func(ctx context.Context, tab *chromedp.Target) (accessibility.GetFullAXTreeResult,
		error) {
		return cdp.Call(ctx, tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, node := range tree.Nodes {
		role := said(node.Role)
		if node.Ignored || !slices.Contains([]string{"button", "slider", "switch", "checkbox", "region", "img", "group",
			"table", "link"}, role) {
			continue
		}
		if said(node.Name) == "" && role != "table" {
			t.Errorf("a %s has no name", role)
		}
		named++
	}
	if named < 10 {
		t.Errorf("the page has %d parts with a role, which is too few", named)
	}
	for _, needs := range []string{`document.documentElement.lang == "en"`,
		`document.querySelectorAll("h1").length == 1`, `document.querySelector("main") != null`} {
		if !value[bool](p, needs) {
			t.Errorf("this does not hold: %s", needs)
		}
	}
}

// said returns the text of a value of the accessibility tree.
func said(v *accessibility.Value) (text string) {
	if v != nil {
		_ = json.Unmarshal(v.Value, &text)
	}
	return text
}

// faint lists the texts whose contrast with their background is below 4.5, which WCAG 2.2 requires at level AA.
const faint = `(() => {
	const parts = c => c.match(/[\d.]+/g).map(Number);
	const light = c => parts(c).slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor, p = parts(c);
			if (p.length < 4 || p[3] > 0) return c;
		}
		return "rgb(255, 255, 255)";
	};
	return [...document.querySelectorAll("body *")]
		.filter(e => e.checkVisibility() && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
		.map(e => {
			const a = light(getComputedStyle(e).color), b = light(behind(e));
			return [e.textContent.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
		})
		.filter(([, ratio]) => ratio < 4.5).map(([text, ratio]) => text + ": " + ratio.toFixed(2));
})()`

func TestEveryWidthLightAndDark(t *testing.T) {
	t.Parallel()
	pod := startPod(t)
	p := open(t, pod.URL)
	p.press("#load", kb.ArrowRight)
	p.press(`button[data-fault="down"]`, kb.Enter)
	p.await(`document.querySelectorAll("#refused tr").length > 3`) // so that tables and boxes are filled
	for _, size := range [][2]int64{{320, 640}, {768, 1024}, {1280, 900}, {3840, 2160}} {
		p.do(chromedp.EmulateViewport(size[0], size[1]))
		if wide := value[int64](p, `document.documentElement.scrollWidth`); wide > size[0] {
			t.Errorf("at a width of %d the page is %d wide", size[0], wide)
		}
	}
	background := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.await(fmt.Sprintf(`matchMedia("(prefers-color-scheme: %s)").matches`, scheme))
		if texts := value[[]string](p, faint); len(texts) > 0 {
			t.Errorf("%s: hard to read: %q", scheme, texts)
		}
		background[value[string](p, `getComputedStyle(document.body).backgroundColor`)] = true
	}
	if len(background) != 2 {
		t.Errorf("light and dark look the same: %v", background)
	}
}
