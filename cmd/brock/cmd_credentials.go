package main

import (
	"context"
	"fmt"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/spf13/cobra"
)

func newCredentials(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "credentials",
		Short: "Change the roles' credentials",
		Long: `The credentials stand in <data>/credentials.json; brock env prints them. A hub also
takes up what you write there yourself when its process (pid in <data>/hub.json) gets
SIGHUP.`,
		Example: `  brock credentials rotate
  brock credentials rotate --role viewer`,
		GroupID: groupHub,
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(newRotate(c))
	return cmd
}

func newRotate(c *cli) *cobra.Command {
	var roles []string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make new passwords and tokens",
		Long: `Make new passwords and tokens for the roles, all where none is named. The hub goes on
running; the old ones let nobody in from then on, and connections that were made with
them are cut.`,
		Example: `  brock credentials rotate
  brock credentials rotate --role viewer`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.rotate(cmd.Context(), roles)
		},
	}
	cmd.Flags().StringSliceVar(&roles, "role", nil, "`roles`: viewer, operator, admin (default all)")
	_ = cmd.RegisterFlagCompletionFunc("role", words(bus.Viewer, bus.Operator, bus.Admin))
	return cmd
}

func (c *cli) rotate(ctx context.Context, roles []string) error {
	for _, role := range roles {
		if _, ok := (bus.Credentials{}).Role(bus.Role(role)); !ok {
			return usagef("there is no role %q; the roles are viewer, operator and admin", role)
		}
	}
	req := struct {
		Roles []string `json:"roles,omitempty"`
	}{roles}
	var out struct {
		Roles []string `json:"roles"`
		File  string   `json:"file"`
	}
	if err := c.ask(ctx, bus.Admin, "credentials.rotate", req, &out); err != nil {
		return err
	}
	if err := c.awaitCredentials(ctx); err != nil {
		return err
	}
	if c.json {
		return c.printJSON(out)
	}
	for _, role := range out.Roles {
		c.say("new credentials of %s", role)
	}
	c.say("they stand in %s; eval \"$(brock%s env)\" again where they were in use", out.File, c.dataFlag())
	return nil
}

// awaitCredentials waits until the hub lets in who has the new ones: it answers before
// it cuts off who asked, so that the next command would be refused.
func (c *cli) awaitCredentials(ctx context.Context) error {
	for end := time.Now().Add(lockPatience); ; {
		a, err := c.connectOnce(ctx, bus.Admin)
		if err == nil {
			return a.close()
		}
		if time.Now().After(end) {
			return fmt.Errorf("the new credentials are in the file, but do not count yet: %w", err)
		}
		time.Sleep(lockPause)
	}
}
