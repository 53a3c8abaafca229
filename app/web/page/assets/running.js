// What is under way: a backup, table by table, and other work on a table.

import { $, el, say, show } from "./dom.js";
import { bytes, plural } from "./words.js";

const stages = { copy: "copying", restore: "restoring", drill: "drilling", verify: "verifying", compact: "compacting", recover: "healing" };
const forget = 8000; // a hint that nothing follows says nothing any more

export function running(view) {
  let run = null; // { id, tables: Map(name → part or null), total }
  let ready = false;
  let early = null; // hints of a run whose beginning was not told yet: they come another way
  const timers = new Map();

  function event(e) {
    if (e.type === "backup_started") {
      run = { id: e.run, at: e.timestamp, tables: new Map((e.tables ?? []).map((t) => [t, null])), bytes: new Map() };
      for (const p of early?.run === e.run ? early.hints.values() : []) count(p);
      early = null;
    }
    if (/^backup_(complete|failed)$/.test(e.type)) {
      for (const t of run?.tables.keys() ?? []) clear(t);
      run = null;
    }
    if (/^(recovery|drill|compaction|verify)/.test(e.type)) {
      if (e.table) clear(e.table);
      for (const r of [...(e.results ?? []), ...(e.proven ?? [])]) clear(r.table);
    }
    draw();
  }

  function progress(p) {
    const stage = stages[p.stage] ?? String(p.stage);
    const part = share(p);
    if (run && p.run === run.id) count(p);
    else if (p.stage === "copy") {
      if (early?.run !== p.run) early = { run: p.run, hints: new Map() };
      early.hints.set(p.table, p);
    }
    view.progress(p.table, { text: part === 1 && p.stage === "copy" ? "copied" : `${stage} ${Math.round(100 * part)} %`, part });
    clearTimeout(timers.get(p.table));
    timers.set(p.table, setTimeout(() => clear(p.table), forget));
    draw();
  }

  const share = (p) => (p.total > 0 ? Math.min(1, p.done / p.total) : 1); // of nothing, all is done

  function count(p) {
    run.tables.set(p.table, share(p));
    run.bytes.set(p.table, p.done);
  }

  function clear(table) {
    clearTimeout(timers.get(table));
    timers.delete(table);
    view.progress(table, null);
  }

  // live says that the past has been told: a backup that began and has not ended runs now.
  function live() {
    ready = true;
    if (run && Date.now() - run.at > 6 * 3600e3) run = null; // its hub died under it
    draw();
  }

  function draw() {
    const box = $("run");
    show(box, ready && run !== null);
    if (!run || !ready) { box.replaceChildren(); return; }
    let text = box.querySelector("p"), meter = box.querySelector("progress");
    if (!meter) {
      text = el("p", {});
      meter = el("progress", { max: 1000, "aria-label": "Backup under way" });
      box.replaceChildren(text, meter);
    }
    const parts = [...run.tables.values()];
    const done = parts.filter((v) => v === 1).length;
    const copied = [...run.bytes.values()].reduce((a, b) => a + b, 0);
    say(text, `A backup of ${plural(parts.length, "table")} is under way: ${done} done, ${bytes(copied)} so far.`);
    meter.value = parts.length ? Math.round((1000 * parts.reduce((a, v) => a + (v ?? 0), 0)) / parts.length) : 0;
  }
  function forgetAll() {
    for (const t of [...timers.keys()]) clear(t);
    run = early = null;
    ready = false;
    draw();
  }
  return { event, progress, live, draw, forget: forgetAll, under: () => ready && run !== null };
}
