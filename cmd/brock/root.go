package main

import (
	"io"

	"github.com/spf13/cobra"
)

// cli is what every subcommand works with.
type cli struct {
	in       io.Reader
	out, err io.Writer
	args     []string
	env      map[string]string

	outLook, errLook look // what out and err can show

	data   string
	vault  string
	json   bool
	config string
	tlsCA  string

	origins map[string]origin // of the settings

	started bool // the command line was understood
}

// Groups of subcommands in the help.
const (
	groupHub     = "hub"
	groupBackups = "backups"
	groupRecords = "records"
)

func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:   "brock",
		Short: "Durable tables with backups that are proven to restore",
		Long: `Brock runs a hub of durable tables, backs them up at one consistent cut while
writes go on, and proves that the backups restore.

A command talks to the hub that runs on the data directory, or works on the
directories itself when none does.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 partial success
(health: 0 ok, 3 warning or unhealthy, 1 cannot be asked).`,
		Example: `  brock demo                      see it all work, on sample data
  brock serve                     run a hub on ./brock-data
  brock backup                    back it up
  brock drill                     prove that the backup restores
  brock restore task_queue        take a table back to it`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return c.configure(cmd)
		},
	}
	c.sharedFlags(root)
	root.AddGroup(&cobra.Group{ID: groupHub, Title: "Hub:"},
		&cobra.Group{ID: groupBackups, Title: "Backups:"},
		&cobra.Group{ID: groupRecords, Title: "Records:"})
	root.SetCompletionCommandGroupID(groupHub)
	root.SetHelpCommandGroupID(groupHub)
	root.AddCommand(c.commands()...)
	return root
}

func (c *cli) sharedFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&c.data, "data", "./brock-data", "data `directory`")
	f.StringVar(&c.vault, "vault", "", "vault `directory`; a running hub uses its own (default <data>/vault)")
	f.BoolVar(&c.json, "json", false, "print JSON")
	f.StringVar(&c.config, "config", "", "YAML `file` with these settings; also as BROCK_DATA, BROCK_VAULT …")
	f.StringVar(&c.tlsCA, "tls-ca", "", "`file` with the authority's certificate of a hub with TLS (default the hub's own, or the system's)")
	_ = root.MarkPersistentFlagFilename("tls-ca", "pem", "crt")
	_ = root.MarkPersistentFlagDirname("data")
	_ = root.MarkPersistentFlagDirname("vault")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
}

func (c *cli) commands() []*cobra.Command {
	return []*cobra.Command{
		newServe(c), newDemo(c), newHealth(c), newAlert(c), newWatch(c), newEnv(c), newCredentials(c), newConfig(c), newVersion(c), newDocs(c),
		newBackup(c), newList(c), newRun(c), newVerify(c), newDrill(c), newRestore(c), newCompact(c),
		newGet(c), newPut(c), newDelete(c), newScan(c), newTail(c), newCount(c), newImport(c), newExport(c),
	}
}
