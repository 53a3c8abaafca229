package main

import (
	"time"

	"github.com/brockdb/brock/app"
	"github.com/spf13/pflag"
)

// alertOptions are the settings of alarms.
type alertOptions struct {
	webhooks  []string
	secret    string
	command   string
	heartbeat string
	every     time.Duration
}

func (o *alertOptions) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.webhooks, "alert-webhook", nil, "`URLs` that get alarms as a POST, a,b (keep them in the file or the environment: they are secrets)")
	f.StringVar(&o.secret, "alert-secret", "", "`secret` that signs them, the base64 of 16 to 64 bytes (keep it in the file or the environment)")
	f.StringVar(&o.command, "alert-command", "", "shell `line` that is run for each alarm, with its JSON on standard input")
	f.StringVar(&o.heartbeat, "heartbeat-url", "", "`URL` that is asked as long as all is well")
	f.DurationVar(&o.every, "heartbeat-every", time.Minute, "how often")
}

// config is what the hub takes.
func (o *alertOptions) config() app.Alerts {
	out := app.Alerts{Heartbeat: o.heartbeat, HeartbeatEvery: o.every}
	for _, u := range o.webhooks {
		out.Webhooks = append(out.Webhooks, app.Webhook{URL: u, Secret: o.secret})
	}
	if o.command != "" {
		out.Command = []string{"/bin/sh", "-c", o.command}
	}
	return out
}

// checkAlerts finds the setting of alarms that is wrong.
func (c *cli) checkAlerts(o alertOptions) error {
	if o.secret != "" && len(o.webhooks) == 0 {
		return c.refuse("alert_secret", "signs nothing without alert_webhook")
	}
	hooks, unsigned := o.config(), o
	unsigned.secret = ""
	return c.checkPart("alert_webhook", app.Config{Alerts: app.Alerts{Webhooks: unsigned.config().Webhooks}},
		c.checkPart("alert_secret", app.Config{Alerts: app.Alerts{Webhooks: hooks.Webhooks}},
			c.checkPart("heartbeat_url", app.Config{Alerts: app.Alerts{Heartbeat: o.heartbeat}},
				c.checkPart("heartbeat_every", app.Config{Alerts: app.Alerts{HeartbeatEvery: o.every}}, nil))))
}
