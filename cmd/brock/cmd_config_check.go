package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/brockdb/brock/app"
	"github.com/spf13/cobra"
)

// checkedConfig is what config check prints.
type checkedConfig struct {
	Settings []checkedSetting `json:"settings"`
	Unread   []string         `json:"unread"` // variables that nothing reads
}

type checkedSetting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Where  string `json:"where"`
}

func newConfigCheck(c *cli) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "check [file]",
		Short: "Say what each setting is and where it comes from",
		Long: `Say what each setting of brock serve is and where it comes from: a flag, a variable,
a line of the file, the last start on the data directory, or the default. What is
wrong is refused with its place, and exit code 2. It makes and changes nothing.`,
		Example:           "  brock config check brock.yaml\n  BROCK_KEEP=7 brock config check brock.yaml --data /srv/hub",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions([]cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt),
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				c.config = args[0]
			}
			return c.configure(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.checkServe(o); err != nil {
				return err
			}
			return c.printConfig(c.explain(cmd))
		},
	}
	o.flags(cmd)
	return cmd
}

// explain is what serve would work with.
func (c *cli) explain(cmd *cobra.Command) checkedConfig {
	out := checkedConfig{Unread: c.unknownVariables()}
	last := c.remember()
	for _, s := range settings {
		from := c.origins[s.key]
		value := strings.Trim(cmd.Flags().Lookup(s.flag()).Value.String(), "[]")
		if from.source == fromDefault {
			from.where = ""
			value = c.unless(s.key, value, last, &from)
		}
		out.Settings = append(out.Settings, checkedSetting{s.key, s.shown(value), from.source, strings.TrimSuffix(from.where, ": "+s.key)})
	}
	return out
}

// unless is the value of a setting that nobody made: that of the last time, or the
// default.
func (c *cli) unless(key, value string, last remembered, from *origin) string {
	kept, otherwise := "", value
	switch key {
	case "name":
		kept, otherwise = last.Hub, "hub"
	case "vault":
		kept, otherwise = last.Vault, filepath.Join(c.data, "vault")
	case "tables":
		kept, otherwise = strings.Join(last.Serve, ","), strings.Join(app.DefaultTables(), ",")
	}
	if kept == "" {
		return otherwise
	}
	*from = origin{fromLastTime, filepath.Join(c.data, "tables.json")}
	return kept
}

func (c *cli) printConfig(checked checkedConfig) error {
	if c.json {
		return c.printJSON(checked)
	}
	g := c.grid("SETTING", "VALUE", "FROM", "")
	for _, s := range checked.Settings {
		value := s.Value
		if names := strings.Split(value, ","); slices.Contains(listSettings, s.Key) && len(names) > 1 {
			if value = strings.Join(names, ", "); len(value) > 60 {
				value = counted(len(names), "name") + ": " + names[0] + ", …"
			}
		}
		if value == "" {
			value = `""`
		}
		g.row(s.Key, value, s.Source, s.Where)
	}
	if err := g.end(); err != nil {
		return err
	}
	for _, name := range checked.Unread {
		c.say("\nnothing reads the environment variable %s; is it misspelt?", name)
	}
	return nil
}
