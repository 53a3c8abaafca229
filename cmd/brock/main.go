// Command brock runs a hub of durable tables, and backs it up, proves and restores
// it. It talks to the hub that runs on the data directory, or works on the
// directories itself when none does.
package main

import (
	"errors"
	"io"
	"os"
)

func main() {
	env := os.Environ()
	code := 0
	if watched(env) {
		code = watchedCode
	}
	os.Exit(code + run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, env))
}

// run is the whole command; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	c := &cli{in: stdin, out: stdout, err: stderr, args: args, env: environment(env)}
	c.outLook, c.errLook = c.lookOf(stdout), c.lookOf(stderr)
	root := newRoot(c)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	var e *exit
	if !errors.As(err, &e) {
		e = &exit{exitFailure, err}
		if !c.started { // cobra refused the line before any of our code ran
			e = wrongUsage(err)
		}
	}
	c.complain(e.err)
	return e.code
}
