package live

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/spillway-dev/spillway/internal/proctest"
)

// binary is the path of the server program, vendor that of the simulated vendor, and browser the context of the browser
// for all tests. TestMain builds and starts them.
var (
	binary, vendor string
	browser        context.Context
)

func TestMain(m *testing.M) {
	os.Exit(proctest.WithBinary("../..", "./cmd/server", func(path string) int {
		binary = path
		return proctest.WithBinary("../..", "./cmd/vendorsim", func(path string) int {
			vendor = path
			return browseAndRun(m, filepath.Dir(path))
		})
	}))
}

func browseAndRun(m *testing.M, dir string) int {
	ctx, stop, err := startBrowser(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	browser = ctx //nolint:fatcontext // one browser for all tests, which TestMain closes
	return m.Run()
}

// browsers are the usable programs. The first one that is found is used.
var browsers = []string{"headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// startBrowser starts a browser whose files are in dir.
func startBrowser(dir string) (context.Context, func(), error) {
	path := ""
	for _, name := range browsers {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, nil, fmt.Errorf("these tests need a browser and found none of %q in PATH: "+
			"`make browser` installs Chromium, or use your system's package manager", browsers)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(dir, "browser")), chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), // it asks for nothing but what the tests ask for
		chromedp.Flag("lang", "en-GB"),
	)
	if os.Getuid() == 0 { // Chromium refuses to start its sandbox as root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, kill := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		stop()
		return nil, nil, fmt.Errorf("%s does not start: %w", path, err)
	}
	return ctx, func() {
		_ = chromedp.Cancel(ctx) // it waits for the browser's end, and the browser for that of its processes
		kill()
		stop()
	}, nil
}
