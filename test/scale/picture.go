package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spillway-dev/spillway/test/scale/sim"
)

// The picture, in pixels: a frame with room for text around it.
const (
	width, height            = 760, 340
	left, right, top, bottom = 60, 20, 60, 40
)

// line is one curve: y in percent of the contract, one value for each point of x. Negative values are not drawn.
type line struct {
	name, colour string
	y            []float64
	dashed       bool
}

// drawRun draws a run over time, in percent of the contract: the rates of requests and calls, and the fullest window
// that ends at each point.
func drawRun(path, title string, r sim.Result) error {
	slice, contract := 60.0, float64(r.Granted)
	offered := line{name: "offered", colour: "#999999"}
	called := line{name: "called", colour: "#2266aa"}
	alone := line{name: "of these from shares", colour: "#dd8822"}
	window := line{name: "fullest window", colour: "#117733"}
	limit := line{name: "contract", colour: "#cc2233", dashed: true}
	for i := range r.Series {
		percent := func(n int) float64 { return 100 * float64(n) / contract }
		p := r.Series[i]
		offered.y = append(offered.y, slice*percent(p.Offered))
		called.y = append(called.y, slice*percent(p.Called))
		alone.y = append(alone.y, slice*percent(p.Alone))
		if p.Window == 0 { // no call ended a window here
			p.Window = -1
		}
		window.y = append(window.y, percent(p.Window))
		limit.y = append(limit.y, 100)
	}
	return draw(path, title, "windows of the contract", float64(len(r.Series))/slice,
		[]line{offered, called, alone, window, limit})
}

// draw writes the curves over x from 0 to end.
func draw(path, title, xName string, end float64, lines []line) error {
	highest := 120.0
	for _, l := range lines {
		for _, y := range l.y {
			highest = max(highest, min(y, 340))
		}
	}
	var b strings.Builder
	x := func(part float64) float64 { return left + part*(width-left-right) }
	y := func(v float64) float64 { return height - bottom - min(v, highest)/highest*(height-top-bottom) }
	fmt.Fprintf(&b,
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/><text x="%d" y="20" font-size="15">%s</text>`+"\n",
		width, height, left, title)
	for v := 0.0; v <= highest; v += 50 {
		fmt.Fprintf(&b,
			`<path d="M%d %.1fH%d" stroke="#e4e4e4"/><text x="%d" y="%.1f" text-anchor="end">%.0f %%</text>`+"\n", left,
			y(v), width-right, left-6, y(v)+4, v)
	}
	for v := 0.0; v <= end; v++ {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n", x(v/end), height-bottom+18, v)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-6, xName)
	for i, l := range lines {
		dash := ""
		if l.dashed {
			dash = ` stroke-dasharray="6 4"`
		}
		fmt.Fprintf(&b, `<path fill="none" stroke="%s" stroke-width="1.5"%s d="`, l.colour, dash)
		for j, v := range l.y {
			if v < 0 {
				continue
			}
			command := "L"
			if j == 0 || l.y[j-1] < 0 {
				command = "M"
			}
			fmt.Fprintf(&b, "%s%.1f %.1f", command, x(float64(j)/float64(max(1, len(l.y)-1))), y(v))
		}
		fmt.Fprintf(&b, `"/><text x="%d" y="42" fill="%s">%s</text>`+"\n", left+[]int{0, 80, 150, 310, 430}[i],
			l.colour, l.name)
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
