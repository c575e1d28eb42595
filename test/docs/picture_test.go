package docs

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layer is one line of the picture of the protections.
type layer struct {
	name   string
	says   string
	shared bool     // its state is in Redis, for all pods
	depth  int      // how many layers of the way out stand around it
	real   []string // its names in the list that the code is built from; nil: it is in no list
}

// protections are the lines of docs/pictures/protections-*.svg, outermost first. The picture is drawn from this table.
var protections = []struct {
	title  string
	layers []layer
}{
	{"the cluster", []layer{
		{name: "gateway", says: "A flood ends here: rate, rate of each address, connections, size of bodies"},
		{name: "readiness", says: "Requests go to pods that want them"},
	}},
	{"the way in", []layer{
		{name: "watching", says: "Each request has an ID, one log line, a trace; a panic stays inside",
			real: []string{"tracing", "request ID", "access log", "metrics", "CORS", "recover"}},
		{name: "admission", says: "A pod holds so many requests and bytes; others are refused at once",
			real: []string{"admission"}},
		{name: "deadline", says: "No request is answered later than the SLA", real: []string{"SLA deadline"}},
		{name: "identity", says: "An API key names the user and the tier", real: []string{"identity"}},
		{name: "header limit", says: "Headers that go on to the vendor are short", real: []string{"header limit"}},
		{name: "user concurrency", says: "One user cannot fill a pod", real: []string{"user concurrency"}},
		{name: "fail fast", says: "While every vendor is down nothing is spent on a request",
			real: []string{"fail fast"}},
		{name: "shedding", says: "A pod under pressure refuses early, the lowest tier first",
			real: []string{"shedding"}},
		{name: "user limit", says: "Requests a minute for each user, wherever they arrive", shared: true,
			real: []string{"user limit"}},
	}},
	{"the way out", []layer{
		{name: "lane", says: "The vendor for the model; another one when it fails"},
		{name: "retry", says: "What may pass is repeated, within a budget; holds nothing while it sleeps", depth: 1},
		{name: "queue timeout", says: "A call starts soon, or is refused", depth: 2},
		{name: "breaker", says: "A vendor that is down is left alone; one probe finds it again", shared: true, depth: 3,
			real: []string{"breaker"}},
		{name: "quota", says: "The contract holds for all pods together: requests and tokens", shared: true, depth: 3,
			real: []string{"quota"}},
		{name: "pacer", says: "A burst becomes a steady stream", depth: 3, real: []string{"pacer"}},
		{name: "slots", says: "So many calls are in flight; users wait in turn, by priority", depth: 3,
			real: []string{"slots"}},
		{name: "call timeout", says: "A silent vendor costs a call no more than this", depth: 4},
		{name: "vendor", says: "One HTTP exchange, without a hidden retry", depth: 5},
	}},
}

// TestPictureOfProtections: the picture has the layers of the code, in their order, and the files are up to date.
func TestPictureOfProtections(t *testing.T) {
	t.Parallel()
	for title, example := range map[string]string{
		"the way in":  "internal/api/router_example_test.go",
		"the way out": "internal/llm/chain/example_test.go",
	} {
		var drawn []string
		for _, part := range protections {
			for _, l := range part.layers {
				if part.title == title {
					drawn = append(drawn, l.real...)
				}
			}
		}
		if want := outputOf(t, example); !slices.Equal(drawn, want) {
			t.Errorf("%s: the picture has %q, the code %q", title, drawn, want)
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
		colour := c.local
		if shared {
			colour = c.shared
		}
		fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="5" fill="%s"/>`+"\n", x, y-4, colour)
	}
	dot(nameAt-16, y, true)
	text(nameAt, y, 13, c.faint, "normal", "shared by all pods, in Redis: protects the vendor, is fair to users")
	dot(nameAt-16+450, y, false)
	text(nameAt+450, y, 13, c.faint, "normal", "of each pod: protects the pod")
	for _, part := range protections {
		y += rowHeight + 10
		text(nameAt-22, y, 13, c.faint, "bold", part.title)
		fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="%s"/>`+"\n", nameAt-22, y+8, pictureWidth-24, c.line)
		y += 4
		for _, l := range part.layers {
			y += rowHeight
			in := 12 * l.depth
			dot(nameAt-16+in, y, l.shared)
			text(nameAt+in, y, 15, c.text, "bold", l.name)
			text(saysAt, y, 15, c.text, "normal", l.says)
		}
	}
	head := fmt.Sprintf(
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="system-ui, sans-serif">`+
			"\n<title>The layers that a request passes, outermost first</title>\n"+
			`<rect width="100%%" height="100%%" rx="10" fill="%s"/>`+"\n",
		pictureWidth, y+24, c.ground)
	return head + b.String() + "</svg>\n"
}
