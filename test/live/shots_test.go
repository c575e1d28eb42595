//go:build shots

package live

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var shots = flag.String("shots", "", "the directory that the pictures are written into")

// largest is the largest size of a picture of the README, in bytes.
const largest = 400_000

// TestShots takes the pictures of the README: load, slow answers, and then the story of the breaker, while it is open.
// It is open for longer here than with --dev, so that both pictures show the same.
//
//nolint:paralleltest // nothing else should be drawn at the same time
func TestShots(t *testing.T) {
	pod := startPod(t, "LLM_BREAKER_OPEN=10s")
	p := open(t, pod.URL)
	p.do(chromedp.EmulateViewport(1280, 1080))
	p.load(60)
	linger(25 * time.Second)
	p.press(`button[data-fault="slow"]`, kb.Enter)
	linger(12 * time.Second)
	p.press(`button[data-fault=""]`, kb.Enter)
	linger(8 * time.Second)
	p.load(60)
	linger(10 * time.Second)
	p.press("#story-button", kb.Enter)
	p.await(scene("The breaker opens"))
	linger(3 * time.Second)
	p.await(box("breaker", "open, probe in"))
	p.do(chromedp.Blur("button:focus"))
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.shoot(filepath.Join(*shots, "live-"+scheme+".png"))
	}
}

// linger lets the story go on, so that the curves of the page have data. No test depends on it.
func linger(d time.Duration) { <-time.After(d) }

// shoot writes a picture of the window into a file.
func (p *page) shoot(path string) {
	p.t.Helper()
	picture, err := chromedp.Run(p.tab, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if len(picture) > largest {
		p.t.Errorf("%s has %d bytes, and %d are the most", path, len(picture), largest)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
