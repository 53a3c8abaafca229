// The tables: one row each, patched in place, so that focus and selection stay.

import { $, el, svg, say, mark, show, time } from "./dom.js";
import { bytes, count, moment, percent, plural } from "./words.js";

const columns = [
  ["Table", "name"], ["Records", "num"], ["Size", "num"], ["Fragmentation", "num"], ["Last snapshot", "when"],
  ["Last proof", "when"], ["Restorable", "range"], ["State", "state"],
];
const states = { ok: "ok", unavailable: "not serving", degraded: "degraded", restoring: "restoring" };

// tables draws into the section. do: { restore, compact, drill }, each called with a
// table's name and with what to say the outcome with.
export function tables(actions) {
  const rows = new Map();
  let operator = false;
  const body = el("tbody", { role: "rowgroup" });
  const head = el("tr", { role: "row" });
  const empty = el("p", { class: "quiet", text: "This hub serves no tables." });
  const table = el("table", { role: "table", "aria-labelledby": "tables-h" }, el("thead", { role: "rowgroup" }, head), body);
  $("table-box").replaceChildren(table, empty);

  function header() {
    head.replaceChildren(...columns.map(([text, kind]) => el("th", { scope: "col", role: "columnheader", class: kind, text })));
    if (operator) head.append(el("th", { scope: "col", role: "columnheader", class: "acts" }, el("span", { class: "hide", text: "Actions" })));
  }

  function make(name) {
    const cell = (i, ...children) => el("td", { role: "cell", class: columns[i][1], "data-label": columns[i][0] }, ...children);
    const r = { name, records: el("span"), size: el("span"), frag: el("span", { class: "frag" }), snap: el("span"), proof: el("span"),
      bar: svg("svg", { class: "bar", role: "img", preserveAspectRatio: "none", viewBox: "0 0 1000 10" }), state: el("span", { class: "pill" }),
      why: el("span", { class: "why" }), work: el("span", { class: "work" }), out: el("span", { class: "out", role: "status" }) };
    r.row = el("tr", { role: "row", "data-table": name }, el("th", { scope: "row", role: "rowheader", class: "name", text: name }),
      cell(1, r.records), cell(2, r.size), cell(3, r.frag), cell(4, r.snap), cell(5, r.proof), cell(6, r.bar), cell(7, r.state, r.work, r.why, r.out));
    if (operator) r.row.append(el("td", { role: "cell", class: "acts" }, button(r, "Restore…", "restore"), button(r, "Compact", "compact"), button(r, "Drill", "drill")));
    return r;
  }

  function button(r, text, what) {
    const b = el("button", { type: "button", class: "small", "aria-label": `${text.replace("…", "")} ${r.name}`, onclick: () => actions[what](r.name, b, r.out) }, text);
    return b;
  }

  // draw shows a health answer and the ranges of a list.
  function draw(health, listing, may) {
    if (may !== operator || !head.childNodes.length) {
      operator = may;
      header();
      rows.clear();
      body.replaceChildren();
    }
    const scale = span(listing);
    const seen = new Set();
    for (const t of health.tables) {
      seen.add(t.table);
      let r = rows.get(t.table);
      if (!r) {
        r = make(t.table);
        rows.set(t.table, r);
        body.append(r.row);
      }
      patch(r, t, listing, scale);
    }
    for (const [name, r] of rows) if (!seen.has(name)) { r.row.remove(); rows.delete(name); }
    show(empty, health.tables.length === 0);
    show(table, health.tables.length > 0);
    show($("find-box"), health.tables.length > 12);
    sum(health);
    find();
  }

  // progress shows how far work on a table is; null: none is under way.
  function progress(name, p) {
    const r = rows.get(name);
    if (!r) return;
    if (!p) { r.work.replaceChildren(); r.meter = null; return; }
    if (!r.meter) {
      r.meter = el("progress", { max: 1000 });
      r.stage = el("span");
      r.work.replaceChildren(r.stage, r.meter);
    }
    say(r.stage, p.text);
    r.meter.setAttribute("aria-label", `${p.text}, ${name}`);
    r.meter.value = Math.round(1000 * p.part);
  }

  function find() {
    const words = $("find").value.trim().toLowerCase();
    for (const [name, r] of rows) show(r.row, !words || name.includes(words));
  }
  $("find").addEventListener("input", find);
  return { draw, progress };
}

function patch(r, t, listing, scale) {
  say(r.records, count(t.record_count));
  say(r.size, bytes(t.file_size_bytes));
  const f = t.fragmentation_ratio;
  const level = f > 0.5 ? "bad" : f > 0.3 ? "warning" : "";
  say(r.frag, percent(f) + (level === "bad" ? " high" : level ? " raised" : ""));
  mark(r.frag, "data-level", level || null);
  mark(r.frag, "title", level ? `${percent(f)} of the files is dead: ${level === "bad" ? "high, above 50 %" : "raised, above 30 %"}; compacting frees it` : null);
  when(r.snap, t.last_snapshot_at);
  when(r.proof, t.last_proven_at);
  bar(r.bar, t.table, (listing?.ranges ?? []).filter((x) => x.table === t.table), (listing?.snapshots ?? []).filter((x) => x.table === t.table), scale);
  say(r.state, states[t.status] ?? t.status);
  mark(r.state, "data-level", t.status === "ok" ? "ok" : t.status === "restoring" ? "warning" : "bad");
  mark(r.row, "data-state", t.status);
  say(r.why, t.error ?? "");
  mark(r.why, "title", t.error || null);
}

function when(node, at) {
  const old = node.firstChild;
  if (old?.dataset?.at === at && at) return;
  const made = time(at);
  if (!at) made.textContent = "never";
  node.replaceChildren(made);
}

// span is the stretch of time that all bars share.
function span(listing) {
  const at = (s) => new Date(s).getTime();
  const now = Date.now();
  let from = now - 120e3;
  for (const x of listing?.ranges ?? []) from = Math.min(from, at(x.from_at ?? x.to_at));
  for (const x of listing?.snapshots ?? []) if (x.cut_at) from = Math.min(from, at(x.cut_at));
  return { from, to: now };
}

// bar draws the continuous ranges, and a mark for each snapshot.
function bar(node, table, ranges, snapshots, { from, to }) {
  const x = (s) => Math.max(0, Math.min(1000, (1000 * (new Date(s).getTime() - from)) / (to - from)));
  const parts = [svg("rect", { class: "none", x: 0, y: 4, width: 1000, height: 2 })];
  for (const r of ranges) {
    const a = r.from_at ? x(r.from_at) : 0;
    parts.push(svg("rect", { class: "range", x: a, y: 2, width: Math.max(6, x(r.to_at) - a), height: 6 }));
  }
  for (const s of snapshots) if (s.cut_at) parts.push(svg("rect", { class: s.proven_at ? "snap proven" : "snap", x: Math.min(994, x(s.cut_at)), y: 0, width: 6, height: 10 }));
  const moments = ranges.map((r) => `every moment from ${r.from_at ? moment(r.from_at) : "the beginning"} to ${moment(r.to_at)}`);
  const label = moments.concat(snapshots.length ? [plural(snapshots.length, "snapshot")] : []).join("; ") || "nothing yet";
  node.setAttribute("aria-label", `${table} can be restored to: ${label}`);
  node.replaceChildren(svg("title", { text: label }), ...parts);
}

function sum(health) {
  const n = health.tables.length;
  const total = (f) => health.tables.reduce((a, t) => a + t[f], 0);
  say($("tables-sum"), n ? `${plural(n, "table")}, ${plural(total("record_count"), "record")}, ${bytes(total("file_size_bytes"))}` : "");
}
