package main

import "strings"

// reasons are why tables failed. They stand below the grid, where a long one breaks no
// columns, and what differs in nothing but the table's name stands there once.
type reasons struct {
	first []string            // the text as it was for the first of its tables
	kinds []string            // the same without the table's name
	names map[string][]string // by kind
}

func (r *reasons) add(table, text string) {
	if text = oneLine.Replace(text); text == "" {
		return
	}
	kind := strings.ReplaceAll(text, table, "\x00")
	if r.names == nil {
		r.names = map[string][]string{}
	}
	if len(r.names[kind]) == 0 {
		r.first, r.kinds = append(r.first, text), append(r.kinds, kind)
	}
	r.names[kind] = append(r.names[kind], table)
}

// say prints them, if any.
func (c *cli) sayReasons(r *reasons) {
	for i, kind := range r.kinds {
		if i == 0 {
			c.say("")
		}
		who := r.names[kind][0]
		if more := len(r.names[kind]) - 1; more > 0 {
			who += " and " + counted(more, "more table")
		}
		c.say("%s: %s", who, strings.TrimPrefix(r.first[i], "table "+r.names[kind][0]+": "))
	}
}
