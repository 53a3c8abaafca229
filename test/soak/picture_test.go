package soak

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A picture is strips of figures over one time axis, one below another.
const (
	pictureWidth, stripHeight, leftEdge, rightEdge = 1200, 110, 90, 20
	stripGap                                       = 34
)

type strip struct {
	name  string
	lines []curve
}

type curve struct {
	name, color string
	of          func(window) float64
}

// picture draws the time as SVG.
func (s *soak) picture() string {
	mega := func(n int64) float64 { return float64(n) / (1 << 20) }
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	strips := []strip{
		{"transactions a second", []curve{{"", "#1a5fb4", window.rate}}},
		{"latency, ms", []curve{{"p99", "#c64600", func(w window) float64 { return ms(w.Took.quantile(0.99)) }},
			{"p50", "#1a5fb4", func(w window) float64 { return ms(w.Took.quantile(0.5)) }}}},
		{"memory, MB", []curve{{"resident", "#1a5fb4", func(w window) float64 { return mega(w.Resident) }},
			{"anonymous", "#26a269", func(w window) float64 { return mega(w.Anonymous) }}}},
		{"descriptors, goroutines", []curve{{"goroutines", "#1a5fb4", func(w window) float64 { return float64(w.Routines) }},
			{"descriptors", "#26a269", func(w window) float64 { return float64(w.Descriptors) }}}},
		{"change log behind, ms", []curve{{"", "#1a5fb4", func(w window) float64 { return w.LagMS }}}},
	}
	var b strings.Builder
	height := len(strips)*(stripHeight+stripGap) + 110
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", pictureWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", pictureWidth, height)
	for i, st := range strips {
		s.drawStrip(&b, st, 30+i*(stripHeight+stripGap))
	}
	s.drawMarks(&b, 30+len(strips)*(stripHeight+stripGap))
	b.WriteString("</svg>\n")
	return b.String()
}

func (s *soak) x(t time.Time) float64 {
	whole := s.phases[len(s.phases)-1].to.Sub(s.phases[0].from)
	return leftEdge + (pictureWidth-leftEdge-rightEdge)*float64(t.Sub(s.phases[0].from))/float64(max(1, whole))
}

func (s *soak) drawStrip(b *strings.Builder, st strip, top int) {
	highest := 1e-9
	for _, c := range st.lines {
		highest = max(highest, most(s.windows, c.of))
	}
	highest = round(highest)
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", leftEdge, top-6, st.name)
	for _, part := range []float64{0, 0.5, 1} {
		y := float64(top+stripHeight) - part*stripHeight
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%s</text>`+"\n",
			leftEdge, pictureWidth-rightEdge, y, y, leftEdge-6, y+4, short(part*highest))
	}
	for i, c := range st.lines {
		var points []string
		for _, w := range s.windows {
			points = append(points, fmt.Sprintf("%.1f,%.1f", s.x(w.At), float64(top+stripHeight)-c.of(w)/highest*stripHeight))
		}
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.2" points="%s"/>`+"\n", c.color, strings.Join(points, " "))
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="%s">%s</text>`+"\n", pictureWidth-rightEdge-i*90, top-6, c.color, c.name)
	}
}

// drawMarks draws what happened when, a row a kind, and the minutes below.
func (s *soak) drawMarks(b *strings.Builder, top int) {
	for row, kind := range []string{"backup", "look", "compact", "restore", "kill"} {
		y := top + row*13
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", leftEdge-6, y+4, kind)
		for _, m := range s.marks {
			if m.what == kind {
				fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="1.5" height="9" fill="#333"/>`, s.x(m.at), y-5)
			}
		}
		b.WriteString("\n")
	}
	from, to := s.phases[0].from, s.phases[len(s.phases)-1].to
	step := max(time.Minute, to.Sub(from)/12).Round(time.Minute)
	for at := from; at.Before(to); at = at.Add(step) {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%.0f min</text>`+"\n", s.x(at), top+80, at.Sub(from).Minutes())
	}
}

// round returns the next number of one digit and zeros.
func round(f float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(f)))
	return math.Ceil(f/unit) * unit
}

func short(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.3g", f)
}
