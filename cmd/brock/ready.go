package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/app"
)

// printReady says where the hub is and what to do next.
func (c *cli) printReady(hub *app.Hub, cfg app.Config) error {
	if cfg.Vault == "" {
		cfg.Vault = c.vaultDir()
	}
	cfg = cfg.WithDefaults()
	if c.json {
		return c.printJSON(map[string]any{"hub": hub.Name(), "data": cfg.Data, "vault": cfg.Vault,
			"nats_url": hub.NATSURL(), "http_url": hub.HTTPURL(), "ws_url": hub.WebSocketURL(), "tables": hub.Tables()})
	}
	flag := c.dataFlag()
	c.say("brock %s: the hub %q is ready", app.Release, hub.Name())
	c.say("")
	c.say("  data    %s", absolute(cfg.Data))
	c.say("  vault   %s", absolute(cfg.Vault))
	c.say("  NATS    %s", hub.NATSURL())
	if url := hub.HTTPURL(); url != "" {
		c.say("  HTTP    %s", url)
	}
	if url := hub.WebSocketURL(); url != "" {
		c.say("  WS      %s", url)
	}
	c.say("  backup  %s, %d snapshots kept", cfg.Schedule, cfg.Keep)
	c.say("  tables  %s", wrap(hub.Tables(), 70, "          "))
	c.say("")
	c.say("  next    brock%s backup", flag)
	c.say(`          eval "$(brock%s env)"`, flag)
	return nil
}

// dataFlag is what other commands need to find the same directory.
func (c *cli) dataFlag() string {
	if c.data == "./brock-data" || c.env["BROCK_DATA"] == c.data {
		return ""
	}
	return fmt.Sprintf(" --data %s", shellQuote(c.data))
}

func shellQuote(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:", r)
	}) < 0 && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// wrap joins words with commas, in lines of about the width.
func wrap(words []string, width int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range words {
		if i > 0 {
			b.WriteString(",")
			if at+len(word) > width {
				b.WriteString("\n" + indent)
				at = 0
			} else {
				b.WriteString(" ")
			}
		}
		b.WriteString(word)
		at += len(word) + 2
	}
	return b.String()
}
