package main

import (
	"os"
	"strings"

	"github.com/brockdb/brock/app"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

func newDocs(c *cli) *cobra.Command {
	var man bool
	cmd := &cobra.Command{
		Use:               "docs <directory>",
		Short:             "Write a page about each command",
		Long:              "Write a page about each command into the directory, as Markdown or for man.",
		Example:           "  brock docs docs/cli\n  brock docs --man /usr/local/share/man/man1",
		GroupID:           groupHub,
		Hidden:            true, // for those who package Brock
		Args:              cobra.ExactArgs(1),
		PersistentPreRunE: c.unconfigured,
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeDocs(cmd.Root(), args[0], man)
		},
	}
	cmd.Flags().BoolVar(&man, "man", false, "write pages for man, section 1")
	return cmd
}

func writeDocs(root *cobra.Command, dir string, man bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true // the date would change every page every day
	if man {
		escape(root)
		return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "Brock " + app.Release, Manual: "Brock"}, dir)
	}
	return doc.GenMarkdownTree(root, dir)
}

// escape keeps <table> from being taken for a tag in pages for man, which are made
// by way of Markdown. It changes the commands, which only print themselves then.
func escape(cmd *cobra.Command) {
	bracket := strings.NewReplacer("<", `\<`).Replace
	cmd.Use, cmd.Short, cmd.Long = bracket(cmd.Use), bracket(cmd.Short), bracket(cmd.Long)
	flags := func(f *pflag.Flag) { f.Usage = bracket(f.Usage) }
	cmd.PersistentFlags().VisitAll(flags)
	cmd.LocalNonPersistentFlags().VisitAll(flags)
	for _, sub := range cmd.Commands() {
		escape(sub)
	}
}
