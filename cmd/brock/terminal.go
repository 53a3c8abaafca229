package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// look is what a stream can show: a file or pipe shows plain text.
type look struct {
	terminal bool // somebody looks, and lines can be drawn over
	colours  bool
}

// lookOf goes by what the stream is and by what the environment asks for.
func (c *cli) lookOf(w io.Writer) look {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return look{}
	}
	dumb := c.env["TERM"] == "dumb"
	return look{terminal: !dumb, colours: !dumb && c.env["NO_COLOR"] == ""}
}

// The colours of status words.
const (
	green = "\x1b[32m"
	amber = "\x1b[33m"
	red   = "\x1b[31m"
	reset = "\x1b[0m"
)

var statusColours = map[string]string{
	"ok": green, "complete": green, "restored": green, "proven": green,
	"partial": amber, "warning": amber, "stale": amber, "degraded": amber, "restoring": amber,
	"failed": red, "unhealthy": red, "unavailable": red, "error": red,
}

// paint colours the text by the status word that it begins with, if any.
func (l look) paint(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return l.dye(statusColours[word], word) + text[len(word):]
}

// dye colours a text; without a colour it stays as it is.
func (l look) dye(colour, text string) string {
	if colour == "" || !l.colours {
		return text
	}
	return colour + text + reset
}
