package main

import (
	"strings"

	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newEnv(c *cli) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print a role's credentials for the shell",
		Long: `Print the address and a role's credentials of the running hub for the shell, so
that the stock nats client and curl can ask it. The lines hold secrets.`,
		Example: `  eval "$(brock env)" && nats sub backups
  eval "$(brock env --role operator)" && nats req brock.hub.backup ''`,
		GroupID:           groupHub,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.printEnv(bus.Role(role))
		},
	}
	cmd.Flags().StringVar(&role, "role", string(bus.Viewer), "viewer, operator or admin")
	_ = cmd.RegisterFlagCompletionFunc("role", words(bus.Viewer, bus.Operator, bus.Admin))
	return cmd
}

func (c *cli) printEnv(role bus.Role) error {
	if _, ok := (bus.Credentials{}).Role(role); !ok {
		return usagef("there is no role %q; the roles are viewer, operator and admin", role)
	}
	p, running, err := c.find()
	if err != nil {
		return err
	}
	if !running {
		return c.noHub()
	}
	creds, err := remote.LoadCredentials(c.data)
	if err != nil {
		return err
	}
	cred, _ := creds.Role(role)
	lines := [][2]string{{"NATS_URL", p.NATSURL}, {"NATS_USER", cred.User}, {"NATS_PASSWORD", cred.Password}, {"BROCK_TOKEN", cred.Token}}
	if c.json {
		out := map[string]string{}
		for _, l := range lines {
			out[l[0]] = l[1]
		}
		return c.printJSON(out)
	}
	for _, l := range lines {
		c.say("export %s='%s'", l[0], strings.ReplaceAll(l[1], "'", `'\''`))
	}
	return nil
}
