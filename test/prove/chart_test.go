package prove

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"gonum.org/v1/plot/plotter"
)

// TestChartIsReadable: a chart fills its whole page first, and a mark at the end keeps clear of the legend.
func TestChartIsReadable(t *testing.T) {
	t.Parallel()
	c := Chart{Panels: []Panel{{Y: "requests", Series: []Series{
		{Name: "served", Color: green, Points: plotter.XYs{{X: 0, Y: 3}, {X: 37, Y: 3}}}}}}}
	const late = "Redis is restarted at once, empty"
	c.Mark(33*time.Second, late)
	name := filepath.Join(t.TempDir(), "chart.svg")
	if err := c.write("Redis away", name); err != nil {
		t.Fatal(err)
	}
	drawn, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	size := regexp.MustCompile(`viewBox="0 0 (\S+) (\S+)"`).FindSubmatch(drawn)
	w, h := string(size[1]), string(size[2])
	first := string(regexp.MustCompile(`<(path|text).*`).Find(drawn))
	if first != `<path d="M0,0L`+w+`,0L`+w+`,`+h+`L0,`+h+`Z" style="fill:#FFFFFF" />` {
		t.Errorf("the first shape is %s", first)
	}
	at := func(text string) float64 {
		m := regexp.MustCompile(`<text x="([^"]+)"[^>]*>\s*` + text + `<`).FindSubmatch(drawn)
		if m == nil {
			t.Fatalf("%q is not drawn", text)
		}
		x, _ := strconv.ParseFloat(string(m[1]), 64)
		return x
	}
	if end, legend := at(late)+4*float64(len(late)), at("served")-25; end > legend {
		t.Errorf("%q ends at %.0f, in the legend at %.0f", late, end, legend)
	}
}
