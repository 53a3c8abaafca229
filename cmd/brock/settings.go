package main

import (
	"fmt"
	"slices"
	"strings"
)

// setting is a key of a configuration file. Each is also a flag with dashes and an
// environment variable in capitals.
type setting struct {
	key    string
	sample string // a value, as it stands in a file; the default where there is one
	about  string
}

var settings = []setting{
	{"data", "./brock-data", "The data directory. It is made when it does not exist."},
	{"vault", "./brock-data/vault", "Where backups go. Put it on another disk than the data: a vault that dies with it\nsaves nothing. By default the one of the last time, or the directory vault below data."},
	{"json", "false", "Whether commands print JSON."},
	{"name", "hub", "The hub's name, a part of its NATS subjects: 1 to 64 of a-z 0-9 _ -. By default that\nof the last time, or hub."},
	{"tables", "[task_queue, agent_mailbox]", "The tables. A table that is left out is not served, and never deleted. By default\nthose of the last time, or the nine tables of an agent hub."},
	{"nats_addr", "127.0.0.1:4222", "Where NATS listens, on loopback only unless there is TLS. Port 0 picks a free one."},
	{"http_addr", "127.0.0.1:8420", "Where HTTP listens, on loopback only unless there is TLS. Port 0 picks a free one,\n\"\" means none."},
	{"http_hosts", "[brock.example.com]", "Names under which HTTP is asked, such as behind a proxy, besides loopback names and the\naddress itself. A request for another Host is refused."},
	{"ws_addr", "127.0.0.1:9222", "Where NATS listens for browsers, over WebSocket. Only viewers come in this way. On loopback\nonly unless there is TLS. By default nowhere."},
	{"ws_origins", "[https://status.example.com]", "The origins of the pages that may use it. By default only that of the listener itself,\nsuch as behind a proxy."},
	{"ws_plain", "false", "Whether it listens without TLS."},
	{"tls_cert", "/etc/brock/tls.crt", "The certificate that NATS and HTTP show, in PEM, followed by those between it and the\nauthority's. Read again when it changes, without a restart."},
	{"tls_key", "/etc/brock/tls.key", "Its private key."},
	{"tls_ca", "/etc/brock/ca.crt", "The authority's certificate, for commands that ask a hub with TLS. By default the one\nthat the hub was started with, or the system's."},
	{"schedule", "\"@daily\"", "When to back up: five cron fields, @daily, @every 10m or off."},
	{"keep", "3", "How many snapshots of each table to keep. The newest proven one is kept besides."},
	{"log_interval", "1s", "How long a commit waits at most before it is in the vault's change log, and so how much\na lost disk can take. Negative: no change log."},
	{"log_window", "168h0m0s", "How far back every moment can be restored. The change log always goes back to the\noldest snapshot that is kept, but for one that is kept for its proof alone."},
	{"log_cap", "1GiB", "How much the tables keep, altogether, for a change log that cannot be written, such as\nwhile the vault is away. Beyond it the log gets a break, which the next backup closes."},
	{"copy_rate", "0", "How much a backup may copy a second, such as 100MB, so that it leaves the disk to\nothers. 0: 100MiB while tables are written to, else no limit."},
	{"drill_every", "24h0m0s", "How often a table's newest snapshot is restored for proof, after a backup and when\nnothing else is under way. Negative: on demand only."},
	{"scrub_every", "24h0m0s", "How often a live table is read and compared with its ledger. Negative: never."},
	{"scrub_rate", "32MiB", "How much of it is read a second, at most. 0: no limit."},
	{"heal", "auto", "What to do about a table whose store is damaged: auto rebuilds it from the vault, off leaves\nit down until it is restored, empty is auto and starts it empty where nothing can be rebuilt."},
	{"compact_every", "6h0m0s", "How often tables of which a tenth is dead are compacted. Negative: on demand only."},
	{"alert_webhook", "[https://alerts.example.com/brock]", "URLs that get alarms (failures, recoveries, turns of health) as a POST of JSON. They\nare taken for secrets. brock alert test tries them."},
	{"alert_secret", "whsec_ZXhhbXBsZS1vbmx5LW1ha2UteW91ci1vd24h", "What signs those, as standardwebhooks.com says: the base64 of 16 to 64 bytes, such as\nopenssl rand -base64 32 prints. By default nothing is signed."},
	{"alert_command", "\"mail -s \\\"$BROCK_TEXT\\\" ops@example.com\"", "A line for /bin/sh that is run for each alarm, with its JSON on standard input and its\ntype and text in BROCK_EVENT and BROCK_TEXT."},
	{"heartbeat_url", "https://hc.example.com/ping/…", "A URL that is asked as long as all is well, for a service that calls when it is not."},
	{"heartbeat_every", "1m0s", "How often that is."},
	{"fresh", "false", "Whether tables whose store is lost start empty. Otherwise they are unavailable until\nthey are restored."},
	{"watch", "false", "Whether the hub is started again when something ends it. systemd does the same."},
	{"log_level", "info", "debug, info, warn or error."},
}

// Settings that take several values, and those that are not shown.
var (
	listSettings   = []string{"tables", "http_hosts", "ws_origins", "alert_webhook"}
	secretSettings = []string{"alert_webhook", "alert_secret", "heartbeat_url"}
)

// Variables that are no settings: --config itself, and what brock env prints.
var otherVariables = []string{"BROCK_CONFIG", "BROCK_TOKEN", watchedVar}

func (s setting) flag() string     { return strings.ReplaceAll(s.key, "_", "-") }
func (s setting) variable() string { return "BROCK_" + strings.ToUpper(s.key) }

// shown is the value as it may be shown.
func (s setting) shown(value string) string {
	if value != "" && slices.Contains(secretSettings, s.key) {
		return "(hidden)"
	}
	return value
}

func settingKeys() []string {
	keys := make([]string, len(settings))
	for i, s := range settings {
		keys[i] = s.key
	}
	return keys
}

// unknownVariables are the BROCK_ variables that nothing reads.
func (c *cli) unknownVariables() []string {
	out := []string{}
	for name, value := range c.env {
		known := slices.Contains(otherVariables, name) ||
			slices.ContainsFunc(settings, func(s setting) bool { return s.variable() == name })
		if strings.HasPrefix(name, "BROCK_") && value != "" && !known {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

const sampleHead = `# Settings of Brock: brock serve --config brock.yaml
#
# Each key is also a flag (nats_addr is --nats-addr) and an environment variable
# (BROCK_NATS_ADDR). Flags win over variables, and variables over this file. Uncomment
# what you change; brock config check brock.yaml then says what came of it.
`

// sampleConfig is a configuration file with every setting, commented out.
func sampleConfig() string {
	var b strings.Builder
	b.WriteString(sampleHead)
	for _, s := range settings {
		fmt.Fprintf(&b, "\n# %s\n#%s: %s\n", strings.ReplaceAll(s.about, "\n", "\n# "), s.key, s.sample)
	}
	return b.String()
}
