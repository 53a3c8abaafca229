package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Where a setting can come from.
const (
	fromFlag        = "flag"
	fromEnvironment = "environment"
	fromFile        = "file"
	fromLastTime    = "remembered"
	fromDefault     = "default"
)

// origin says where a setting comes from.
type origin struct {
	source string
	where  string // for people: the flag, the variable, or the file, line and key
}

func environment(env []string) map[string]string {
	out := map[string]string{}
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok {
			out[k] = v
		}
	}
	return out
}

// configure gives every flag that was not set on the line its value from the
// environment, else from the configuration file.
func (c *cli) configure(cmd *cobra.Command) error {
	if isCompletion(cmd) {
		return nil
	}
	if c.config == "" {
		c.config = c.env["BROCK_CONFIG"]
	}
	file, err := readConfig(c.config)
	if err != nil {
		return usage(err)
	}
	c.origins = map[string]origin{}
	for _, s := range settings {
		if err := c.configureOne(cmd, s, file); err != nil {
			return err
		}
	}
	if c.data == "" {
		return c.refuse("data", "is empty; name the data directory")
	}
	c.started = true
	return nil
}

func (c *cli) configureOne(cmd *cobra.Command, s setting, file map[string]fileSetting) error {
	f := cmd.Flags().Lookup(s.flag())
	if f == nil {
		return nil
	}
	if f.Changed {
		c.origins[s.key] = origin{fromFlag, "--" + s.flag()}
		return nil
	}
	value, from := c.env[s.variable()], origin{fromEnvironment, s.variable()}
	if value == "" {
		inFile, ok := file[s.key]
		if !ok {
			c.origins[s.key] = origin{fromDefault, "--" + s.flag()}
			return nil
		}
		value, from = inFile.value, origin{fromFile, inFile.where}
	}
	c.origins[s.key] = from
	if err := cmd.Flags().Set(f.Name, value); err != nil {
		if slices.Contains(secretSettings, s.key) { // the error quotes the value
			return usagef("%s: cannot be read", from.where)
		}
		return usagef("%s: %w", from.where, err)
	}
	return nil
}

// refuse says which setting is wrong, by the place where it was made.
func (c *cli) refuse(key, format string, a ...any) error {
	return usagef("%s "+format, append([]any{c.origins[key].where}, a...)...)
}

func isCompletion(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd.Name() == "completion" || strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd) {
			return true
		}
	}
	return false
}
