package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

// knownSnapshots asks the running hub, or else goes by the names in the vault: to
// open it would take its lock from others.
func (c *cli) knownSnapshots(ctx context.Context) []app.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	var list app.Listing
	if hub, err := c.dialRunning(ctx, bus.Viewer); err == nil {
		defer hub.close()
		if hub.ask(ctx, "list", nil, &list) == nil {
			return list.Snapshots
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(c.vaultDir(), "tables", "*", "snapshots", "[0-9]*_*"))
	for _, dir := range dirs {
		name := filepath.Base(dir)
		_, run, _ := strings.Cut(name, "_")
		table := filepath.Base(filepath.Dir(filepath.Dir(dir)))
		list.Snapshots = append(list.Snapshots, app.Snapshot{Table: table, Name: name, Run: run})
	}
	slices.Reverse(list.Snapshots)
	return list.Snapshots
}

// runsOf are the runs of the tables' snapshots (of all, where none is named), newest
// first.
func runsOf(list []app.Snapshot, tables []string) []cobra.Completion {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b app.Snapshot) int { return strings.Compare(b.Name, a.Name) })
	var out []cobra.Completion
	var seen []string
	for _, s := range list {
		if slices.Contains(seen, s.Run) || len(tables) > 0 && !slices.Contains(tables, s.Table) {
			continue
		}
		seen = append(seen, s.Run)
		about := "a backup run"
		if s.CutAt != nil {
			about += ", " + ago(s.CutAt)
		}
		out = append(out, cobra.CompletionWithDesc(s.Run, about))
	}
	return out
}

func aboutSnapshot(s app.Snapshot) string {
	if s.CutAt == nil {
		return "in the vault"
	}
	about := counted(s.Records, "record") + ", " + ago(s.CutAt)
	if s.ProvenAt != nil {
		about += ", proven"
	}
	return about
}
