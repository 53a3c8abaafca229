// The first glance: one sentence on the whole hub, and what to do.

import { list, plural, ago } from "./words.js";

// verdict returns { level: ok | warning | bad, text } for a health answer. running says
// that a backup is under way.
export function verdict(h, running = false) {
  const down = h.tables.filter((t) => t.status === "unavailable" || (t.status === "restoring" && t.error));
  const degraded = h.tables.filter((t) => t.status === "degraded");
  const n = h.conditions.length;
  if (down.length) {
    const one = down.length === 1;
    return bad(`${one ? "The table " + down[0].table + " does" : plural(down.length, "table") + " do"} not serve: restore ${one ? "it" : list(down.map((t) => t.table))} if ${one ? "it does" : "they do"} not come back by ${one ? "itself" : "themselves"}.`);
  }
  if (degraded.length) return bad(`${degraded.length === 1 ? `The table ${degraded[0].table} serves without what it had` : `${plural(degraded.length, "table")} serve without what they had: ${list(degraded.map((t) => t.table))}`}. The damaged store is kept: look there for what is missing.`);
  if (!h.last_backup_at) {
    if (running) return warn("Nothing is backed up yet: the first backup is under way.");
    const records = h.tables.reduce((a, t) => a + t.record_count, 0);
    return warn(records ? "Nothing is backed up yet: back up now." : "The hub is empty, and nothing is backed up yet.");
  }
  if (h.stale_backup) return bad(`The last backup was ${ago(h.last_backup_at)}: back up now, and find out why the schedule did not.`);
  const last = h.conditions.map((c) => /^the last backup was (failed|partial): (.*)$/.exec(c)).find(Boolean);
  if (last && running) return warn("The last backup was not complete: the next one is under way.");
  if (last) return last[1] === "failed" ? bad("The last backup failed: see below why, and back up again. Earlier snapshots are kept.")
    : warn(`The last backup left out ${last[2]}: see below why, and back up again. Earlier snapshots are kept.`);
  const grave = h.conditions.find((c) => /cannot be read|not answered|damaged|has a break|behind|away|% full|hung|under way|late/.test(c));
  if (grave) return warn(`Your data is backed up, but ${low(grave)}.`);
  const unproven = h.tables.filter((t) => t.last_snapshot_at && !t.last_proven_at).length;
  const good = `Your data is backed up${unproven ? "" : " and proven"}`;
  if (n === 1) return warn(`${good}, but ${h.conditions[0].startsWith("vault on the data's disk") ? "a lost disk would take data and backups along: put the vault on another disk" : low(h.conditions[0])}.`);
  if (n) return warn(`${good}; ${plural(n, "thing")} want your attention.`);
  if (unproven) return { level: "ok", text: `Your data is safe: every table serves and is backed up; ${unproven === h.tables.length ? "the proof" : "the proof of " + plural(unproven, "table")} comes when the hub is idle.` };
  return { level: "ok", text: "Your data is safe: every table serves, is backed up, and its backups were proven to restore." };
}

const bad = (text) => ({ level: "bad", text });
const warn = (text) => ({ level: "warning", text });
const low = (s) => s.replace(/\.$/, "");

// newest is the newest of a field of the tables, and the oldest beside it.
export function newest(tables, field) {
  const all = tables.map((t) => t[field]).filter(Boolean).sort();
  return { newest: all.at(-1) ?? null, oldest: all[0] ?? null, without: tables.length - all.length };
}
