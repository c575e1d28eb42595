package docs

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/live"
)

// cluster are the lines of docs/pictures/protections-*.svg that no pod can see. The others are live.Way, which the live
// page shows too.
var cluster = []live.Step{
	{Title: "gateway", Says: "A flood ends here: rate, rate of each address, connections, size of bodies"},
	{Title: "readiness", Says: "Requests go to pods that want them"},
}

// inCode are the names that the lists of the code have for a step, where they have it, and under another name.
var inCode = map[string][]string{
	"watching": {"tracing", "request ID", "access log", "metrics", "CORS", "recover"},
	"deadline": {"SLA deadline"},
	// In the handler, or around the gates.
	"payload": {}, "token_limit": {}, "lanes": {}, "retry": {}, "queue_timeout": {}, "call_timeout": {}, "vendor": {},
}

// TestPictureOfProtections: the picture has the layers of the code, in their order, and the README names each of them.
// The files are up to date.
func TestPictureOfProtections(t *testing.T) {
	t.Parallel()
	for part, example := range map[string]string{
		live.PartIn:  "internal/api/router_example_test.go",
		live.PartOut: "internal/llm/chain/example_test.go",
	} {
		var drawn []string
		for _, step := range live.Way() {
			if step.Part != part {
				continue
			}
			if names, other := inCode[step.Name]; other {
				drawn = append(drawn, names...)
			} else {
				drawn = append(drawn, step.Title)
			}
		}
		if want := outputOf(t, example); !slices.Equal(drawn, want) {
			t.Errorf("%s: the picture has %q, the code %q", part, drawn, want)
		}
	}
	_, alt, _ := strings.Cut(read(t, "README.md"), `docs/pictures/protections-light.svg" alt="`)
	alt, _, _ = strings.Cut(alt, `"`)
	for _, step := range slices.Concat(cluster, live.Way()) {
		if step.Part != live.PartBesides && !strings.Contains(alt, step.Title) {
			t.Errorf("the text of the README for those who do not see the picture lacks %s", step.Title)
		}
	}
	for name, c := range map[string]colours{
		"light": {"#ffffff", "#1f2937", "#6b7280", "#2563eb", "#d97706", "#e5e7eb"},
		"dark":  {"#0d1117", "#e6edf3", "#9ca3af", "#60a5fa", "#fbbf24", "#30363d"},
	} {
		path := filepath.Join("docs", "pictures", "protections-"+name+".svg")
		picture := drawProtections(c)
		if *update {
			if err := os.WriteFile(filepath.Join(root, path), []byte(picture), 0o600); err != nil {
				t.Fatal(err)
			}
		} else if read(t, path) != picture {
			t.Errorf("%s is out of date: run go test ./test/docs -run TestPictureOfProtections -update", path)
		}
	}
}

// outputOf returns the first word of each line of an example's output: the names of the layers, in order.
func outputOf(t *testing.T, path string) (names []string) {
	t.Helper()
	_, output, ok := strings.Cut(read(t, path), "// Output:\n")
	if !ok {
		t.Fatalf("%s has no output", path)
	}
	for line := range strings.Lines(output) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "// "); ok {
			name, _, _ = strings.Cut(name, " before ")
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

type colours struct{ ground, text, faint, shared, local, line string }

// Sizes in the picture, in pixels.
const (
	pictureWidth = 880
	rowHeight    = 27
	nameAt       = 46
	saysAt       = 250
)

func drawProtections(c colours) string {
	var b strings.Builder
	y := 34
	text := func(x, y, size int, colour, weight, says string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="%d" fill="%s" font-weight="%s">%s</text>`+"\n", x, y, size,
			colour, weight, html.EscapeString(says))
	}
	dot := func(x, y int, shared bool) {
		if shared {
			fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="5" fill="%s"/>`+"\n", x, y-4, c.shared)
		} else {
			fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="4" fill="none" stroke="%s" stroke-width="2"/>`+"\n", x, y-4, c.local)
		}
	}
	dot(nameAt-16, y, true)
	text(nameAt, y, 13, c.faint, "normal", "shared by all pods, in Redis: protects the vendor, is fair to users")
	dot(nameAt-16+450, y, false)
	text(nameAt+450, y, 13, c.faint, "normal", "of each pod, in its own memory")
	part := func(title string) {
		y += rowHeight + 10
		text(nameAt-22, y, 13, c.faint, "bold", title)
		fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="%s"/>`+"\n", nameAt-22, y+8, pictureWidth-24, c.line)
		y += 4
	}
	line := func(step live.Step) {
		y += rowHeight
		in := 12 * step.Depth
		dot(nameAt-16+in, y, step.Shared)
		text(nameAt+in, y, 15, c.text, "bold", step.Title)
		text(saysAt, y, 15, c.text, "normal", step.Says)
	}
	part("the cluster")
	for _, step := range cluster {
		line(step)
	}
	last := ""
	for _, step := range live.Way() {
		if step.Part == live.PartBesides {
			continue
		}
		if step.Part != last {
			part(step.Part)
			last = step.Part
		}
		line(step)
	}
	head := fmt.Sprintf(
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="system-ui, sans-serif">`+
			"\n<title>The layers that a request passes, outermost first</title>\n"+
			`<rect width="100%%" height="100%%" rx="10" fill="%s"/>`+"\n",
		pictureWidth, y+24, c.ground)
	return head + b.String() + "</svg>\n"
}
