// The restore dialog: choose a snapshot or a moment, see what it would do, confirm in
// words, and see what came of it.

import { $, el, mark, say, show } from "./dom.js";
import { act } from "./api.js";
import { ago, bytes, count, list, local, moment, plural, span } from "./words.js";

const ms = (s) => new Date(s).getTime();

// choices are what can be restored for all of the tables: their snapshots, or for
// several tables the runs, and the stretches that all of them have in common.
export function choices(tables, listing) {
  const snaps = (listing?.snapshots ?? []).filter((s) => tables.includes(s.table));
  let points;
  if (tables.length === 1) {
    points = snaps.map((s) => ({ value: s.snapshot, at: s.cut_at, text: `${moment(s.cut_at)}, ${plural(s.records, "record")}${s.proven_at ? ", proven" : ", not proven yet"}` }));
  } else {
    const runs = new Map();
    for (const s of snaps) runs.set(s.run, (runs.get(s.run) ?? []).concat(s));
    points = [...runs].filter(([, of]) => of.length === tables.length)
      .map(([run, of]) => ({ value: run, at: of[0].cut_at, text: `${moment(of[0].cut_at)}, ${plural(of.length, "table")}, ${plural(of.reduce((a, s) => a + s.records, 0), "record")}` }));
  }
  points.sort((a, b) => ms(b.at) - ms(a.at));
  const floor = snaps.length ? Math.min(...snaps.map((s) => ms(s.cut_at))) : 0;
  let common = null;
  for (const t of tables) {
    const own = (listing?.ranges ?? []).filter((r) => r.table === t).map((r) => ({ from: r.from_at ? ms(r.from_at) : floor || ms(r.to_at), to: ms(r.to_at) }));
    common = common === null ? own : common.flatMap((a) => own.map((b) => ({ from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) })).filter((r) => r.from <= r.to));
  }
  return { points, ranges: (common ?? []).sort((a, b) => a.from - b.from) };
}

// dialog returns open(tables, listing, health, all) and progress(table, p).
export function dialog(done) {
  const box = $("restore");
  let busy = false;
  let work = null;

  function open(tables, listing, all) {
    const { points, ranges } = choices(tables, listing);
    const name = all ? "all tables" : tables[0];
    box.replaceChildren(el("form", { method: "dialog" }, el("h2", { id: "restore-h", text: `Restore ${name}` }), pick(tables, points, ranges, all, name)));
    box.showModal();
  }

  function pick(tables, points, ranges, all, name) {
    if (!points.length && !ranges.length) {
      return el("div", {}, el("p", { text: `There is nothing yet that ${name} could be restored to: back up first.` }), buttons(closer("Close")));
    }
    const snap = el("input", { type: "radio", name: "how", id: "how-snap", value: "snapshot" });
    const past = el("input", { type: "radio", name: "how", id: "how-past", value: "moment" });
    const which = el("select", { id: "which" }, ...points.map((p) => el("option", { value: p.value, text: p.text })));
    const at = el("input", { type: "datetime-local", id: "at", step: 1 });
    const slide = el("input", { type: "range", id: "slide", min: 0, step: 1, "aria-label": "Moment" });
    const chosen = el("p", { class: "chosen", role: "status" });
    const error = el("p", { class: "bad", role: "alert" });
    const out = el("div", { class: "dry" });
    const from = ranges.length ? ranges[0].from : 0;
    const to = ranges.length ? ranges.at(-1).to : 0;
    const state = { at: to };
    if (ranges.length) {
      slide.max = Math.max(1, Math.ceil((to - from) / 1000));
      at.min = local(from);
      at.max = local(to + 999);
    }

    function tell() {
      if (snap.checked) {
        const p = points[which.selectedIndex];
        say(chosen, p ? `Back to ${moment(p.at)}, ${ago(p.at)}.` : "");
      } else if (state.at >= to) {
        say(chosen, `Everything that the vault holds: up to ${moment(to)}, ${ago(to)}.`);
      } else {
        const inside = ranges.some((r) => r.from <= state.at && state.at <= r.to);
        say(chosen, inside ? `Back to ${moment(state.at)}, ${ago(state.at)}.` : `${moment(state.at)} cannot be restored: the change log has no such moment.`);
      }
      mark(slide, "aria-valuetext", chosen.textContent);
      for (const node of [which]) node.disabled = !snap.checked;
      for (const node of [at, slide]) node.disabled = !past.checked;
      out.replaceChildren();
      say(error, "");
    }
    function set(t, byHand) {
      state.at = Math.min(to, Math.max(from, t));
      if (!byHand) at.value = local(state.at);
      slide.value = Math.round((state.at - from) / 1000);
      tell();
    }
    slide.addEventListener("input", () => set(Number(slide.value) >= Number(slide.max) ? to : from + 1000 * Number(slide.value)));
    at.addEventListener("input", () => { if (at.value) { const t = ms(at.value); set(t > to - 1000 ? to : t, true); } });
    for (const node of [snap, past, which]) node.addEventListener("change", tell);

    const request = () => ({ ...(all ? { all: true } : { tables }), ...(snap.checked ? { snapshot: which.value } : { at: state.at >= to ? "latest" : new Date(state.at).toISOString() }) });
    const dry = el("button", { type: "button", class: "main", id: "dry" }, "See what it would do");
    dry.addEventListener("click", async () => {
      const req = request();
      say(error, "");
      dry.disabled = true;
      say(out, "Looking …");
      try {
        const r = await act("restore", { ...req, dry_run: true });
        out.replaceChildren(...would(r.results ?? [], name, () => restore(req, tables, name, r.results)));
        out.querySelector("#go")?.focus();
      } catch (e) {
        out.replaceChildren();
        say(error, e.message);
      }
      dry.disabled = false;
    });
    const form = el("div", {},
      el("fieldset", {}, el("legend", { text: "To what?" }),
        el("div", { class: "choice" }, snap, el("label", { for: "how-snap", text: "A snapshot" }), el("label", { for: "which", class: "hide", text: "Which snapshot" }), which),
        el("div", { class: "choice" }, past, el("label", { for: "how-past", text: "A moment" }), el("label", { for: "at", class: "hide", text: "Which moment" }), at),
        ranges.length ? el("div", { class: "slide" }, slide, el("div", { class: "ends quiet" }, el("span", { text: moment(from) }), el("span", { text: moment(to) }))) : el("p", { class: "quiet", text: "There is no change log to choose a moment from." })),
      chosen, error, out, buttons(closer("Cancel"), dry));
    snap.disabled = !points.length;
    past.disabled = !ranges.length;
    (points.length ? snap : past).checked = true;
    if (ranges.length) set(to);
    tell();
    return form;
  }

  // would says in words what a dry run found, and asks.
  function would(results, name, go) {
    const bad = results.filter((r) => r.error);
    const good = results.filter((r) => !r.error);
    const later = good.reduce((a, r) => a + r.later_commits, 0);
    const nodes = [];
    if (results.length > 1) {
      nodes.push(el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "What it would do to each table" }, el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...["Table", "Records", "Left out", "To read"].map((t, i) => el("th", { scope: "col", class: i ? "num" : null, text: t })))),
        el("tbody", {}, ...results.map((r) => el("tr", {}, el("th", { scope: "row", text: r.table }), r.error ? el("td", { colspan: 3, class: "bad", text: r.error }) : el("td", { class: "num", text: count(r.records) }),
          r.error ? null : el("td", { class: "num", text: plural(r.later_commits, "commit") }), r.error ? null : el("td", { class: "num", text: bytes(r.read_bytes) })))))));
    }
    if (!good.length) return [...nodes, el("p", { class: "bad", text: bad.map((r) => r.error).join("; ") })];
    const records = good.reduce((a, r) => a + r.records, 0);
    const longest = Math.max(0, ...good.map((r) => r.last_restore_ms ?? 0));
    nodes.push(el("div", { class: "sure" },
      el("p", {}, el("b", { text: `${good.length > 1 ? list(good.map((r) => r.table)) + " go" : good[0].table + " goes"} back to ${good[0].at ? moment(good[0].at) : "that state"}` }),
        ` and will hold ${plural(records, "record")}.`),
      el("p", { text: later ? `${plural(later, "later commit")} will no longer show.` : "No later commit is left out." }),
      el("p", { text: `What serves now goes on serving until the new store is proven; if anything fails, nothing changes. What is replaced is kept in the table's directory, and every moment before stays restorable.${good.length > 1 ? "" : " Other tables do not notice."}` }),
      el("p", { class: "quiet", text: `${bytes(good.reduce((a, r) => a + (r.read_bytes ?? 0), 0))} will be read${longest ? `; the last proof of it took ${span(longest)}` : ""}.` }),
      bad.length ? el("p", { class: "bad", text: `${list(bad.map((r) => r.table))} cannot be restored.` }) : null,
      el("button", { type: "button", class: "danger", id: "go", onclick: go }, `Yes, restore ${name}`)));
    return nodes;
  }

  async function restore(req, tables, name) {
    busy = true;
    const meter = el("progress", { max: 1000, "aria-label": `Restoring ${name}` });
    const stage = el("p", { role: "status", text: `Restoring ${name} …` });
    const h = el("h2", { id: "restore-h", tabindex: -1, text: `Restore ${name}` });
    const out = el("div", { class: "outcome", role: "status" });
    const form = el("form", { method: "dialog" }, h, stage, meter, out);
    box.replaceChildren(form);
    h.focus();
    work = { tables, meter, stage };
    let results, failed = "";
    try {
      results = (await act("restore", req)).results;
    } catch (e) {
      results = e.body?.results ?? null;
      failed = e.message;
    }
    busy = false;
    work = null;
    meter.remove();
    stage.remove();
    out.append(...(results ?? []).map(outcome), ...(results ? [] : [el("p", { class: "bad", text: failed })]));
    const close = closer("Close");
    form.append(buttons(close));
    close.focus();
    done();
  }

  function outcome(r) {
    if (r.error) return el("p", { class: "bad", text: `${r.table} is as it was: ${r.error}` });
    return el("p", {}, el("b", { class: "ok", text: `${r.table} is restored` }), ` to ${r.at ? moment(r.at) : r.snapshot}: ${plural(r.records, "record")}.`,
      r.replaced_dir ? el("span", { class: "quiet" }, " What it replaced is kept in ", el("code", { text: r.replaced_dir }), ".") : null);
  }

  const buttons = (...all) => el("div", { class: "buttons" }, ...all);
  const closer = (text) => el("button", { type: "button", class: "plain", onclick: () => box.close() }, text);
  box.addEventListener("cancel", (e) => { if (busy) e.preventDefault(); }); // the answer comes where the action was

  // progress shows how far a restore under way is.
  function progress(table, p) {
    if (!work || !work.tables.includes(table)) return;
    if (p.total > 0) work.meter.value = Math.round((1000 * p.done) / p.total);
    say(work.stage, `Restoring ${table} …`);
    show(work.meter, true);
  }
  return { open, progress };
}
