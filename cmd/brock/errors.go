package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitPartial = 3
)

// exit ends the command with a code. Without an error everything has been said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// usage marks an error as wrong usage.
func usage(err error) error { return wrongUsage(err) }

func wrongUsage(err error) *exit {
	text, _, _ := strings.Cut(err.Error(), "\n\n") // cobra's suggestions follow
	if !strings.Contains(text, "\n") {
		text += "; see brock --help"
	}
	return &exit{exitUsage, &bus.Error{Code: "usage", Status: http.StatusBadRequest, Message: text}}
}

func usagef(format string, a ...any) error { return usage(fmt.Errorf(format, a...)) }

// codeFor is the exit code of an outcome's status.
func codeFor(status app.Status) error {
	switch status {
	case app.StatusComplete, app.StatusOK, app.StatusRestored:
		return nil
	case app.StatusPartial:
		return &exit{code: exitPartial}
	}
	return &exit{code: exitFailure}
}

// complain prints an error in the form that was asked for.
func (c *cli) complain(err error) {
	if err == nil {
		return
	}
	if c.json {
		if encodeJSON(c.err, remote.Error(err)) == nil {
			return
		}
	}
	_, _ = fmt.Fprintf(c.err, "brock: %s\n", message(err))
}

// message is the error's text without the prefix that names a package of Brock.
func message(err error) string {
	text := strings.TrimPrefix(err.Error(), "bus: ")
	return strings.TrimSpace(strings.ReplaceAll(text, "\n", "\n       "))
}

// checkTables refuses names that no table can have.
func checkTables(names []string) error {
	err := app.Config{Data: ".", Tables: names}.WithDefaults().Validate()
	if err != nil {
		return usage(err)
	}
	return nil
}

// isCode says whether the error came from the hub with the code.
func isCode(err error, code string) (*bus.Error, bool) {
	var e *bus.Error
	ok := errors.As(err, &e) && e.Code == code
	return e, ok
}
