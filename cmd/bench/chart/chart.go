// Package chart draws latency over throughput as SVG. It knows no fonts but the
// viewer's, and the same figures always give the same bytes. A plotting library
// would put its own fonts into the binary of every server.
package chart

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Chart is a diagram with a linear x axis from 0 and a logarithmic y axis.
type Chart struct {
	Title, Note string
	X, Y        string // what the axes show, with units
	Series      []Series
}

// Series is a line through points, in their order.
type Series struct {
	Name   string
	Points []Point
}

// Point is a point of a series, whose label a viewer shows when pointed at.
type Point struct {
	X, Y  float64
	Label string
}

// The drawing, in pixels. Names of series stand on the right, where their lines
// end.
const (
	width, height            = 760, 460
	left, right, top, bottom = 70, 70, 64, 56
)

// colours tell up to eight series apart, to the colour-blind, too (Okabe and
// Ito, Color universal design, 2008).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442"}

// Write draws the chart.
func (c *Chart) Write(w io.Writer) error {
	if len(c.Series) > len(colours) {
		return fmt.Errorf("chart: %d series are more than %d", len(c.Series), len(colours))
	}
	d, err := c.frame()
	if err != nil {
		return err
	}
	fmt.Fprintf(&d.out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&d.out, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	d.text(left, 24, `font-size="16" font-weight="bold"`, c.Title)
	d.text(left, 44, `fill="#555"`, c.Note)
	d.axes(c)
	for i, s := range c.Series {
		d.series(s, colours[i])
	}
	d.names(c.Series)
	d.out.WriteString("</svg>\n")
	_, err = w.Write(d.out.Bytes())
	return err
}

// drawing is a chart being drawn: the axes end at maxX, from minY to maxY.
type drawing struct {
	out              bytes.Buffer
	stepX            float64
	maxX, minY, maxY float64
}

// frame finds where the axes end.
func (c *Chart) frame() (*drawing, error) {
	d := &drawing{minY: math.Inf(1)}
	for _, s := range c.Series {
		for _, p := range s.Points {
			if !(p.X >= 0 && p.Y > 0) || math.IsInf(p.X+p.Y, 0) {
				return nil, fmt.Errorf("chart: %s: (%v, %v) cannot be drawn on these axes", s.Name, p.X, p.Y)
			}
			d.maxX, d.minY, d.maxY = max(d.maxX, p.X), min(d.minY, p.Y), max(d.maxY, p.Y)
		}
	}
	if math.IsInf(d.minY, 1) {
		return nil, errors.New("chart: there is nothing to draw")
	}
	d.stepX = step(cmp.Or(d.maxX, 1))
	d.maxX = d.stepX * max(1, math.Ceil(d.maxX/d.stepX))
	// The y axis ends at one of 1, 2 and 5 times a power of ten.
	d.minY, d.maxY = floor125(d.minY), ceil125(d.maxY)
	if d.minY == d.maxY {
		d.maxY = ceil125(d.minY * 1.5)
	}
	return d, nil
}

// step is a round number of which six to ten make x.
func step(x float64) float64 {
	s := math.Pow(10, math.Floor(math.Log10(x)))
	for _, f := range []float64{.1, .2, .5, 1} {
		if x/(s*f) <= 10 {
			return s * f
		}
	}
	return s
}

// ladder are the round numbers that a logarithmic axis has lines at.
var ladder = []float64{1, 2, 5, 10}

func floor125(y float64) float64 {
	s := math.Pow(10, math.Floor(math.Log10(y)))
	for _, f := range slices.Backward(ladder) {
		if s*f <= y {
			return s * f
		}
	}
	return s
}

func ceil125(y float64) float64 {
	s := math.Pow(10, math.Floor(math.Log10(y)))
	for _, f := range ladder {
		if s*f >= y {
			return s * f
		}
	}
	return 10 * s
}

func (d *drawing) x(x float64) float64 { return left + x/d.maxX*(width-left-right) }

func (d *drawing) y(y float64) float64 {
	return height - bottom - math.Log(y/d.minY)/math.Log(d.maxY/d.minY)*(height-top-bottom)
}

// escape also replaces what XML does not allow at all.
func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

func (d *drawing) text(x, y float64, attributes, s string) {
	fmt.Fprintf(&d.out, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, attributes, escape(s))
}

func (d *drawing) line(x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(&d.out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
}

func (d *drawing) axes(c *Chart) {
	const grid, axis = "#ddd", "#333"
	for i := range int(math.Round(d.maxX/d.stepX)) + 1 {
		x := d.x(float64(i) * d.stepX)
		d.line(x, top, x, height-bottom, grid)
		d.text(x, height-bottom+18, `text-anchor="middle"`, number(float64(i)*d.stepX))
	}
	for y := d.minY; y < d.maxY*1.001; y = ceil125(y * 1.5) {
		d.line(left, d.y(y), width-right, d.y(y), grid)
		d.text(left-8, d.y(y)+4, `text-anchor="end"`, number(y))
	}
	d.line(left, height-bottom, width-right, height-bottom, axis)
	d.line(left, top, left, height-bottom, axis)
	d.text((left+width-right)/2, height-14, `text-anchor="middle"`, c.X)
	middle := (top + height - bottom) / 2
	d.text(18, float64(middle), fmt.Sprintf(`text-anchor="middle" transform="rotate(-90 18 %d)"`, middle), c.Y)
}

// number writes a number at an axis: 25000 is 25,000, and 0.5 is 0.5.
func number(x float64) string {
	s := strconv.FormatFloat(x, 'g', 6, 64)
	if x >= 1e6 {
		s = strconv.FormatFloat(x, 'f', 0, 64)
	}
	if x != math.Trunc(x) {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (d *drawing) series(s Series, colour string) {
	fmt.Fprintf(&d.out, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colour)
	for i, p := range s.Points {
		if i > 0 {
			d.out.WriteByte(' ')
		}
		fmt.Fprintf(&d.out, "%.1f,%.1f", d.x(p.X), d.y(p.Y))
	}
	d.out.WriteString(`"/>` + "\n")
	for _, p := range s.Points {
		fmt.Fprintf(&d.out, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s</title></circle>`+"\n",
			d.x(p.X), d.y(p.Y), colour, escape(p.Label))
	}
}

// names writes each series' name where it ends, and a little higher or lower
// where they would cover each other.
func (d *drawing) names(series []Series) {
	type name struct {
		text, colour string
		x, y         float64
	}
	var names []name
	for i, s := range series {
		if n := len(s.Points); n > 0 {
			last := s.Points[n-1]
			names = append(names, name{s.Name, colours[i], d.x(last.X) + 8, d.y(last.Y) + 4})
		}
	}
	slices.SortStableFunc(names, func(a, b name) int { return cmp.Compare(a.y, b.y) })
	const apart = 14
	for i := 1; i < len(names); i++ {
		names[i].y = max(names[i].y, names[i-1].y+apart)
	}
	for i := len(names) - 1; i >= 0; i-- { // and none below the axis
		lowest := float64(height - bottom - 4 - apart*(len(names)-1-i))
		names[i].y = min(names[i].y, lowest)
	}
	for _, n := range names {
		d.text(n.x, n.y, fmt.Sprintf(`fill="%s"`, n.colour), n.text)
	}
}
