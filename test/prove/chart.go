package prove

import (
	"image/color"
	"maps"
	"os"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// Chart is the picture of a scenario: panels one above the other that share the time axis.
type Chart struct {
	Panels []Panel
	marks  []mark // drawn through all panels
}

// Mark names a time in all panels. It is counted from the beginning of the time axis.
func (c *Chart) Mark(at time.Duration, text string) {
	c.marks = append(c.marks, mark{at.Seconds(), text})
}

// Panel is one diagram. Y always begins at 0.
type Panel struct {
	Y      string // what is drawn, with its unit
	Series []Series
	Max    float64 // of the y axis; 0 means what the data need
}

// Series is one line.
type Series struct {
	Name   string
	Color  color.Color
	Dashed bool
	Points plotter.XYs // x in seconds
}

// mark is something that happened at a time.
type mark struct {
	at   float64 // seconds
	text string
}

// The colours mean the same in every picture: what was offered, what was served, and what turned the rest away.
var (
	grey   = color.RGBA{0x88, 0x88, 0x88, 0xff}
	black  = color.RGBA{0x22, 0x22, 0x22, 0xff}
	green  = color.RGBA{0x1b, 0x9e, 0x4b, 0xff}
	red    = color.RGBA{0xd6, 0x27, 0x28, 0xff}
	orange = color.RGBA{0xe6, 0x8a, 0x00, 0xff}
	blue   = color.RGBA{0x1f, 0x6f, 0xc4, 0xff}
	purple = color.RGBA{0x8e, 0x4b, 0xb8, 0xff}
	brown  = color.RGBA{0x8c, 0x56, 0x4b, 0xff}
	teal   = color.RGBA{0x17, 0xa2, 0xa2, 0xff}
)

// outcomeColors are the colours of the problem codes.
var outcomeColors = map[string]color.Color{
	"served": green, "failed": red, "vendor_error": red, "vendor_rate_limited": orange, "queue_timeout": brown,
	"shed": purple, "overloaded": black, "user_rate_limited": blue, "vendor_unavailable": teal,
}

// palette is for lines whose colours mean nothing but themselves.
var palette = []color.Color{blue, orange, green, purple, brown, teal, red, grey, black}

var classColors = map[string]color.Color{"high": green, "normal": blue, "low": orange}

var tierColors = map[string]color.Color{"enterprise": green, "pro": blue, "free": orange}

// step is the width of the bins that rates are counted in.
const step = 500 * time.Millisecond

// rates are counts over time as a rate per second, on a time axis from began to until.
func rates(at []time.Time, began, until time.Time) plotter.XYs {
	bins := make(plotter.XYs, int(until.Sub(began)/step)) // what comes after the last whole bin is left out
	for i := range bins {
		bins[i].X = (time.Duration(i)*step + step/2).Seconds()
	}
	for _, t := range at {
		if i := int(t.Sub(began) / step); i >= 0 && i < len(bins) {
			bins[i].Y += 1 / step.Seconds()
		}
	}
	return bins
}

// Outcomes draws what was offered and what became of it.
func Outcomes(rs Results, began time.Time) Panel {
	by := map[string][]time.Time{}
	var all []time.Time
	until := began
	for _, r := range rs {
		by[r.What()] = append(by[r.What()], r.At)
		all = append(all, r.At)
		if r.At.After(until) {
			until = r.At
		}
	}
	p := Panel{Y: "requests per second", Series: []Series{{Name: "offered", Color: grey,
		Points: rates(all, began, until)}}}
	for _, what := range slices.Sorted(maps.Keys(by)) {
		c, known := outcomeColors[what]
		if !known {
			c = black
		}
		p.Series = append(p.Series, Series{Name: what, Color: c, Points: rates(by[what], began, until)})
	}
	return p
}

// sliding is how many of the times lie in the window that ends at each of them.
func sliding(at []time.Time, window time.Duration, began time.Time) (points plotter.XYs) {
	first := 0
	for i, t := range at {
		for at[first].Before(t.Add(-window)) || at[first].Equal(t.Add(-window)) {
			first++
		}
		points = append(points, plotter.XY{X: t.Sub(began).Seconds(), Y: float64(i - first + 1)})
	}
	return points
}

// Windows draws how much of the contract the vendor's last window has seen, beside the contract.
func Windows(calls []vendorsim.Call, contract vendorsim.Contract, began time.Time) Panel {
	window := time.Duration(contract.Window)
	at := arrivals(calls)
	var until time.Time
	if len(at) > 0 {
		until = at[len(at)-1]
	}
	return Panel{Y: "vendor calls in the last " + window.String(), Series: []Series{
		{Name: "contract", Color: red, Dashed: true,
			Points: level(float64(contract.Requests), until.Sub(began).Seconds())},
		{Name: "calls", Color: green, Points: sliding(at, window, began)},
	}}
}

// level is a line at a height, as long as the time axis.
func level(y, until float64) plotter.XYs { return plotter.XYs{{X: 0, Y: y}, {X: until, Y: y}} }

// slowest is the longest time to an answer in each bin, in milliseconds.
func slowest(rs Results, began time.Time) (points plotter.XYs) {
	for _, r := range rs {
		i := int(r.At.Sub(began) / step)
		for len(points) <= i {
			points = append(points, plotter.XY{X: (time.Duration(len(points))*step + step/2).Seconds()})
		}
		points[i].Y = max(points[i].Y, float64(r.Took)/float64(time.Millisecond))
	}
	return points
}

// inFlight is the number of calls that have arrived and not ended, over time.
func inFlight(calls []vendorsim.Call, began time.Time) (points plotter.XYs) {
	turns := map[time.Time]float64{}
	for _, c := range calls {
		turns[c.Arrived]++
		turns[c.Ended]--
	}
	n := 0.0
	for _, at := range slices.SortedFunc(maps.Keys(turns), time.Time.Compare) {
		x := at.Sub(began).Seconds()
		points = append(points, plotter.XY{X: x, Y: n})
		n += turns[at]
		points = append(points, plotter.XY{X: x, Y: n})
	}
	return points
}

// write draws the chart as SVG.
func (c Chart) write(title, name string) error {
	const width, height, names = 25 * vg.Centimeter, 7.5 * vg.Centimeter, 5.4 * vg.Centimeter
	plots := make([][]*plot.Plot, len(c.Panels))
	var until, from float64
	for _, p := range c.Panels {
		for _, s := range p.Series {
			for _, xy := range s.Points {
				until, from = max(until, xy.X), min(from, xy.X)
			}
		}
	}
	for i, panel := range c.Panels {
		p, err := panel.plot(c.marks, from, until, i == 0)
		if err != nil {
			return err
		}
		if i == 0 {
			p.Title.Text = title
			p.Title.TextStyle.Font.Size = font.Length(12)
			p.Title.Padding = vg.Points(6)
		}
		if i == len(c.Panels)-1 {
			p.X.Label.Text = "seconds"
		}
		plots[i] = []*plot.Plot{p}
	}
	canvas := vgsvg.New(width, height*vg.Length(len(c.Panels)))
	tiles := draw.Tiles{Rows: len(c.Panels), Cols: 1, PadY: vg.Points(8), PadTop: vg.Points(4), PadBottom: vg.Points(4),
		PadLeft: vg.Points(4), PadRight: names}
	for i, row := range plot.Align(plots, tiles, draw.New(canvas)) {
		p, area := plots[i][0], row[0]
		legend := p.Legend
		p.Legend = plot.NewLegend()
		p.Draw(area)
		area.Min.X, area.Max.X, area.Max.Y = area.Max.X+vg.Points(8), width, area.Max.Y-vg.Points(20)
		legend.Draw(area)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

func (panel Panel) plot(marks []mark, from, until float64, named bool) (*plot.Plot, error) {
	p := plot.New()
	p.Y.Label.Text = panel.Y
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.TextStyle.Font.Size, p.Legend.Padding = font.Length(10), vg.Points(3)
	p.Add(plotter.NewGrid())
	top := panel.Max
	for _, s := range panel.Series {
		if len(s.Points) == 0 {
			continue
		}
		line, err := plotter.NewLine(s.Points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = s.Color, vg.Points(1.5)
		if s.Dashed {
			line.Dashes = []vg.Length{vg.Points(6), vg.Points(4)}
		}
		p.Add(line)
		p.Legend.Add(s.Name, line)
		if panel.Max == 0 {
			for _, xy := range s.Points {
				top = max(top, xy.Y*1.25)
			}
		}
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = from, until, 0, max(top, 1)
	for i, m := range marks {
		line, err := plotter.NewLine(plotter.XYs{{X: m.at, Y: 0}, {X: m.at, Y: p.Y.Max}})
		if err != nil {
			return nil, err
		}
		line.Color, line.Width, line.Dashes = grey, vg.Points(0.75), []vg.Length{vg.Points(2), vg.Points(2)}
		p.Add(line)
		if !named {
			continue
		}
		label, err := plotter.NewLabels(plotter.XYLabels{
			XYs:    plotter.XYs{{X: m.at, Y: p.Y.Max * (0.97 - 0.06*float64(i%3))}},
			Labels: []string{" " + m.text},
		})
		if err != nil {
			return nil, err
		}
		label.TextStyle[0].Font.Size = font.Length(8)
		p.Add(label)
	}
	return p, nil
}
