package main

import (
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// completionPatience is how long somebody at a shell waits for a hub's answer.
const completionPatience = 2 * time.Second

const noFiles = cobra.ShellCompDirectiveNoFileComp

// completes is what a shell offers for an argument or a flag's value. It makes and
// changes nothing, and offers nothing where something is wrong.
type completes = func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective)

// tables offers the tables that the line does not name yet, at most so many (0: any
// number).
func (c *cli) tables(most int) completes {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most || c.configure(cmd) != nil {
			return nil, noFiles
		}
		names := c.knownTables()
		return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), noFiles
	}
}

// snapshots offers what restore takes: latest, runs, and snapshots of the tables on
// the line.
func (c *cli) snapshots(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if c.configure(cmd) != nil {
		return nil, noFiles
	}
	out := []cobra.Completion{cobra.CompletionWithDesc("latest", "the newest of each table")}
	list := c.knownSnapshots(cmd.Context())
	out = append(out, runsOf(list, args)...)
	for _, s := range list {
		if slices.Contains(args, s.Table) {
			out = append(out, cobra.CompletionWithDesc(s.Name, s.Table+", "+aboutSnapshot(s)))
		}
	}
	return out, noFiles | cobra.ShellCompDirectiveKeepOrder
}

// runs offers the ids of runs.
func (c *cli) runs(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 || c.configure(cmd) != nil {
		return nil, noFiles
	}
	return runsOf(c.knownSnapshots(cmd.Context()), nil), noFiles | cobra.ShellCompDirectiveKeepOrder
}

// words offers the same few.
func words[T ~string](list ...T) completes {
	out := make([]cobra.Completion, len(list))
	for i, word := range list {
		out[i] = string(word)
	}
	return cobra.FixedCompletions(out, noFiles|cobra.ShellCompDirectiveKeepOrder)
}

// recordFiles offers files that import reads.
func recordFiles(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return []cobra.Completion{"jsonl", "json", "gz", "zst"}, cobra.ShellCompDirectiveFilterFileExt
}
