package growth

import (
	"fmt"
	"math"
	"strings"
)

// figures are what the picture shows of a point, one chart each.
var figures = []struct {
	name string
	of   func(point) float64
}{
	{"start, ms", func(p point) float64 { return p.StartMS }},
	{"backup, ms", func(p point) float64 { return p.BackupMS }},
	{"next backup, 1 % changed, ms", func(p point) float64 { return p.NextMS }},
	{"restore of a table, proven, ms", func(p point) float64 { return p.RestoreMS }},
	{"longest pause at a cut, ms", func(p point) float64 { return p.PauseMS }},
	{"memory at the peak, MB", func(p point) float64 { return p.PeakMB }},
}

const chartWidth, chartHeight, chartGap = 260, 150, 60

// picture draws a row of charts for each series, both axes in powers of ten.
func picture(series ...[]point) string {
	var b strings.Builder
	width := len(figures)*(chartWidth+chartGap) + chartGap
	height := len(series)*(chartHeight+chartGap+30) + 30
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for row, points := range series {
		for col, f := range figures {
			chart(&b, chartGap+col*(chartWidth+chartGap), 40+row*(chartHeight+chartGap+30), f.name, points, f.of)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func chart(b *strings.Builder, left, top int, name string, points []point, of func(point) float64) {
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, top-12, name)
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#ccc"/>`+"\n", left, top, chartWidth, chartHeight)
	lowX, highX := bounds(points, func(p point) float64 { x, _ := along(p, points); return x })
	lowY, highY := bounds(points, of)
	var line []string
	for _, p := range points {
		value, label := along(p, points)
		x := float64(left) + chartWidth*place(value, lowX, highX)
		y := float64(top+chartHeight) - chartHeight*place(of(p), lowY, highY)
		line = append(line, fmt.Sprintf("%.1f,%.1f", x, y))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="#1a5fb4"/><text x="%.1f" y="%.1f" text-anchor="middle" fill="#333">%s</text><text x="%.1f" y="%d" text-anchor="middle" fill="#666">%s</text>`+"\n",
			x, y, x, y-7, short(of(p)), x, top+chartHeight+16, label)
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="#1a5fb4" points="%s"/>`+"\n", strings.Join(line, " "))
}

// along is in what the points differ: the number of tables, or the bytes.
func along(p point, points []point) (float64, string) {
	if len(points) > 1 && points[0].Tables != points[1].Tables {
		return float64(p.Tables), fmt.Sprint(p.Tables, " tables")
	}
	return float64(p.Bytes), fmt.Sprintf("%.3g MB", float64(p.Bytes)/1e6)
}

// bounds are the powers of ten around all values.
func bounds(points []point, of func(point) float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range points {
		v := math.Log10(max(1e-3, of(p)))
		low, high = min(low, math.Floor(v)), max(high, math.Ceil(v))
	}
	return low, max(high, low+1)
}

func short(f float64) string {
	if f >= 100 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.3g", f)
}

func place(v, low, high float64) float64 { return (math.Log10(max(1e-3, v)) - low) / (high - low) }
