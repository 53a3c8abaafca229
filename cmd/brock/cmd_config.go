package main

import (
	"github.com/spf13/cobra"
)

func newConfig(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Explain, check and begin a configuration file",
		Long: `Explain, check and begin a configuration file. Every setting is also a flag and an
environment variable: flags win over variables, and variables over the file.`,
		Example: "  brock config sample > brock.yaml\n  brock config check brock.yaml",
		GroupID: groupHub,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: brock config check or brock config sample")
		},
	}
	cmd.AddCommand(newConfigCheck(c), newConfigSample(c))
	return cmd
}

// unconfigured is for commands that need no settings, and must work where those are
// wrong.
func (c *cli) unconfigured(*cobra.Command, []string) error {
	c.started = true
	return nil
}
