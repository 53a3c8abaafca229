// What an event says in words. An event of a kind that this page does not know, or of
// another shape than it expects, is shown all the same.

import { bytes, count, list, plural, span } from "./words.js";

const names = {
  backup_started: "Backup started", backup_complete: "Backup", backup_failed: "Backup failed",
  compaction_complete: "Compaction", compaction_failed: "Compaction failed", recovery_complete: "Restored",
  recovery_failed: "Restore failed", corruption_detected: "Damage found", verify_complete: "Verify",
  drill_complete: "Drill passed", drill_failed: "Drill failed", backup_stale: "Backups are old", table_degraded: "Table degraded",
};

const array = (v) => (Array.isArray(v) ? v : []);
export const text = (v) => (v === null || v === undefined ? "" : typeof v === "string" ? v : JSON.stringify(v));

// level is how grave an event is: ok, warning, bad, or "" for what only begins.
export function level(e) {
  if (e.type === "backup_started") return "";
  if (/_failed$|^corruption|^table_degraded|^backup_stale/.test(e.type)) return e.status === "partial" ? "warning" : "bad";
  if (e.status === "partial" || e.missing) return "warning";
  if (e.status === "failed") return "bad";
  return "ok";
}

export function title(e) {
  if (e.type === "backup_complete") return e.status === "partial" ? "Backup in part" : "Backup complete";
  if (e.type === "verify_complete") return e.status === "ok" ? "Verified" : "Verify found damage";
  if (e.type === "recovery_complete" && e.trigger === "auto") return "Healed by itself";
  return names[e.type] ?? text(e.type);
}

export function about(e) {
  try {
    return words(e);
  } catch {
    return text(e.error ?? e.reason ?? e.message);
  }
}

function words(e) {
  const failed = array(e.results).filter((r) => r.error).map((r) => `${text(r.table)}: ${text(r.error)}`);
  const problems = array(e.problems).map((p) => `${text(p.table)}: ${text(p.problem)}`);
  switch (e.type) {
    case "backup_started":
      return `${plural(e.tables_total ?? 0, "table")}, asked for by ${text(e.trigger)}`;
    case "backup_complete":
    case "backup_failed":
      return [`${count(e.tables_success)} of ${plural(e.tables_total ?? 0, "table")}`, bytes(e.bytes), span(e.duration_ms), ...failed, failed.length ? "" : text(e.error)].filter(Boolean).join(", ");
    case "compaction_complete":
    case "compaction_failed": {
      const ok = array(e.results).filter((r) => r.status === "ok");
      const freed = ok.reduce((a, r) => a + r.bytes_before - r.bytes_after, 0);
      return [list(array(e.results).map((r) => text(r.table))), ok.length ? `${bytes(freed)} freed` : "", span(e.duration_ms), ...failed].filter(Boolean).join(", ");
    }
    case "recovery_complete":
      return [`${text(e.table)}: ${plural(e.record_count ?? e.records ?? 0, "record")}`, text(e.missing)].filter(Boolean).join(", ");
    case "recovery_failed":
      return `${text(e.table)}: ${text(e.reason ?? e.error)}`;
    case "corruption_detected":
      return [text(e.table), text(e.error).includes(text(e.file)) ? "" : text(e.file), text(e.error)].filter(Boolean).join(": ");
    case "drill_complete":
    case "drill_failed":
    case "verify_complete":
      return [plural(e.checked ?? 0, "snapshot"), bytes(e.bytes), span(e.duration_ms), ...problems].join(", ");
    case "backup_stale":
      return `no backup for ${span(e.age_ms)}`;
    case "table_degraded":
      return `${text(e.table)}: ${text(e.reason)}`;
  }
  return text(e.error ?? e.reason ?? e.message ?? e.table);
}

// matches says whether an event is of a kind and holds the words.
export function matches(e, kind, query) {
  if (kind === "bad" && !["bad", "warning"].includes(level(e))) return false;
  if (kind === "drill" && !/^(drill|verify)/.test(e.type)) return false;
  if (kind && kind !== "bad" && kind !== "drill" && !e.type.startsWith(kind) && !(kind === "corruption" && e.type === "table_degraded")) return false;
  if (!query) return true;
  const all = `${title(e)} ${about(e)} ${e.type} ${text(e.run)} ${array(e.tables_backed_up).join(" ")} ${array(e.tables_failed).join(" ")}`.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((w) => all.includes(w));
}
