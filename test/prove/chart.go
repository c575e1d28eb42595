package prove

import (
	"image/color"
	"os"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is the picture of a scenario: panels one above the other, with the same time axis.
type Chart struct {
	Panels []Panel
	marks  []mark // drawn through all panels
}

// Mark adds a text at a time to all panels. The time counts from the beginning of the time axis.
func (c *Chart) Mark(at time.Duration, text string) {
	c.marks = append(c.marks, mark{at.Seconds(), text})
}

// Panel is one diagram. Y always begins at 0.
type Panel struct {
	Y      string // what is drawn, with its unit
	Series []Series
	Max    float64 // of the y axis; 0: from the data
}

// Series is one line.
type Series struct {
	Name   string
	Color  color.Color
	Dashed bool
	Points plotter.XYs // x in seconds
}

// mark is an event with a text.
type mark struct {
	at   float64 // seconds
	text string
}

// write draws the chart as SVG.
func (c Chart) write(title, name string) error {
	const width, height, names = 27 * vg.Centimeter, 7.5 * vg.Centimeter, 7.4 * vg.Centimeter
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
	page := draw.New(canvas)
	page.SetColor(color.White) // without a ground of its own the picture is black on black where pages are dark
	page.Fill(page.Path())
	tiles := draw.Tiles{Rows: len(c.Panels), Cols: 1, PadY: vg.Points(8), PadTop: vg.Points(4), PadBottom: vg.Points(4),
		PadLeft: vg.Points(4), PadRight: names}
	for i, row := range plot.Align(plots, tiles, page) {
		p, area := plots[i][0], row[0]
		legend := p.Legend
		p.Legend = plot.NewLegend()
		p.Draw(area)
		area.Min.X, area.Max.X, area.Max.Y = width-names+vg.Points(8), width, area.Max.Y-vg.Points(20)
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

// letter is about the width of a letter of a mark, as a share of the width of the plot.
const letter = 0.009

// plot draws the panel. named adds the texts of the marks.
func (panel Panel) plot(marks []mark, from, until float64, named bool) (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = nil // the page's shows through
	p.Y.Label.Text, p.Y.Label.TextStyle.Font.Size = panel.Y, font.Length(10)
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
		// A text that does not fit to the right of its line ends with the plot, so that it does not reach the legend.
		length := letter * float64(len(m.text)) * (until - from)
		label, err := plotter.NewLabels(plotter.XYLabels{
			XYs:    plotter.XYs{{X: min(m.at, max(from, until-length)), Y: p.Y.Max * (0.97 - 0.06*float64(i%3))}},
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
