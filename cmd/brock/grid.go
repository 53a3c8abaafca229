package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// grid prints rows in columns, two spaces apart. A column whose head begins with >
// stands to the right, as numbers do.
type grid struct {
	w     io.Writer
	look  look
	right []bool
	rows  [][]string
}

func (c *cli) grid(head ...string) *grid {
	g := &grid{w: c.out, look: c.outLook}
	for i, cell := range head {
		text, right := strings.CutPrefix(cell, ">")
		g.right, head[i] = append(g.right, right), text
	}
	g.rows = append(g.rows, head)
	return g
}

// What others wrote must not break the lines.
var oneLine = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ", "\x1b", "")

func (g *grid) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = oneLine.Replace(cell)
	}
	g.rows = append(g.rows, cells)
}

func (g *grid) end() error {
	widths := make([]int, len(g.right))
	for _, row := range g.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range g.rows {
		if _, err := fmt.Fprintln(g.w, g.line(row, widths)); err != nil {
			return err
		}
	}
	return nil
}

func (g *grid) line(row []string, widths []int) string {
	last := len(row) - 1
	for last > 0 && row[last] == "" { // no spaces at the line's end
		last--
	}
	var b strings.Builder
	for i, cell := range row[:last+1] {
		gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if g.right[i] {
			b.WriteString(gap)
		}
		b.WriteString(g.look.paint(cell))
		if !g.right[i] && i < last {
			b.WriteString(gap)
		}
		if i < last {
			b.WriteString("  ")
		}
	}
	return b.String()
}
