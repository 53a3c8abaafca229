package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newConfigSample(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:               "sample",
		Short:             "Print a configuration file with every setting",
		Long:              "Print a configuration file with every setting, explained and commented out.",
		Example:           "  brock config sample > brock.yaml",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		PersistentPreRunE: c.unconfigured,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(c.out, sampleConfig())
			return err
		},
	}
}
