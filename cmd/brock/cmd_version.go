package main

import (
	"runtime"

	"github.com/brockdb/brock/app"
	"github.com/spf13/cobra"
)

func newVersion(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Example:           "  brock version",
		GroupID:           groupHub,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.json {
				return c.printJSON(map[string]string{"version": app.Release, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
			}
			c.say("brock %s  %s %s/%s", app.Release, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
