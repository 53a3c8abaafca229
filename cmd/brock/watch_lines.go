package main

import (
	"fmt"
	"time"

	"github.com/brockdb/brock/bus"
)

// clearLine removes the line of progress that stands on a terminal.
const clearLine = "\r\x1b[K"

func (c *cli) printEvent(e bus.Event) error {
	if c.json {
		return c.printJSON(e)
	}
	if c.outLook.terminal {
		_, _ = fmt.Fprint(c.out, clearLine)
	}
	c.say("%s  %s", e.Time().Local().Format(time.DateTime), c.eventLine(e))
	return nil
}

// printProgress prints a line, on a terminal one that the next takes the place of.
func (c *cli) printProgress(p bus.Progress) error {
	if c.json {
		return c.printJSON(p)
	}
	line := fmt.Sprintf("%s    %-17s %s, %s of %s", time.Now().Format(time.DateTime), p.Stage, p.Table, size(p.Done), size(p.Total))
	if !c.outLook.terminal {
		c.say("%s", line)
		return nil
	}
	_, err := fmt.Fprintf(c.out, "%s%.79s", clearLine, line)
	return err
}
