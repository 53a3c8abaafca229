// What happened: runs as a picture, recoveries and compactions, the change log, and
// the list of events with its filter.

import { $, el, svg, say, show, time } from "./dom.js";
import { bytes, count, moment, plural, span } from "./words.js";
import { about, level, matches, text, title } from "./events.js";

const page = 60;
const wide = 48; // runs in the picture
const signs = { ok: "✓", warning: "!", bad: "✕", "": "·" };

export function history() {
  let shown = page;
  let all = [];

  function item(e) {
    const l = level(e);
    return el("li", { "data-level": l, "data-id": e.id },
      el("span", { class: "sign", "aria-hidden": "true", text: signs[l] }),
      el("span", { class: "what" }, el("b", { text: title(e) }), " ", el("span", { class: "about", text: about(e) })),
      stamp(e.timestamp));
  }

  function events() {
    const found = all.filter((e) => matches(e, $("kind").value, $("words").value.trim()));
    const list = found.slice(0, shown);
    $("events").replaceChildren(...(list.length ? list.map(item) : [el("li", { class: "quiet none", text: all.length ? "No event matches." : "Nothing has happened in the last seven days." })]));
    say($("events-sum"), found.length === all.length ? plural(all.length, "event") : `${count(found.length)} of ${plural(all.length, "event")}`);
    show($("more"), found.length > shown);
  }
  $("kind").addEventListener("change", () => { shown = page; events(); });
  $("words").addEventListener("input", () => { shown = page; events(); });
  $("more").addEventListener("click", () => { shown += page; events(); });

  // draw shows events, the newest first, and what health remembers of compactions.
  function draw(list, health) {
    const ended = new Set(list.filter((e) => /^backup_(complete|failed)$/.test(e.type)).map((e) => e.run));
    all = list.filter((e) => e.type !== "backup_started" || !ended.has(e.run)); // its end says more
    events();
    const runs = list.filter((e) => e.type === "backup_complete" || e.type === "backup_failed");
    $("runs").replaceChildren(runs.length ? picture(runs.slice(0, wide).reverse()) : el("p", { class: "quiet", text: "No backup has run in the last seven days." }));
    const bad = runs.filter((e) => level(e) !== "ok").length;
    say($("runs-sum"), runs.length ? `${plural(runs.length, "run")}, ${bad ? `${bad} not complete` : "all complete"}` : "");
    feed($("recoveries"), list.filter((e) => /^(recovery|corruption|table_degraded)/.test(e.type)).slice(0, 6).map(item), "None: no table had to be restored.");
    const past = health?.compaction_history ?? [];
    feed($("compactions"), past.slice(0, 6).map((c) => item({ ...c, type: c.status === "complete" ? "compaction_complete" : "compaction_failed", id: "", timestamp: c.started_at })), "None yet.");
  }
  return { draw };
}

function stamp(at) {
  return time(new Date(at).toISOString());
}

function feed(node, items, none) {
  node.replaceChildren(...(items.length ? items : [el("li", { class: "quiet none", text: none })]));
}

// picture draws a column for each run: its bytes above, its duration below, and its
// outcome by colour and by a sign.
function picture(runs) {
  const step = 20, top = 62, low = 34, mid = 84;
  const width = Math.max(runs.length, 24) * step;
  const most = (f) => Math.max(1, ...runs.map((r) => Number(r[f]) || 0));
  const up = most("bytes"), down = most("duration_ms");
  const word = (r) => `${moment(r.timestamp)}: ${title(r)}, ${about(r)}`;
  const cols = runs.map((r, i) => {
    const l = level(r);
    const a = Math.max(2, (top * (Number(r.bytes) || 0)) / up);
    const b = Math.max(2, (low * (Number(r.duration_ms) || 0)) / down);
    const x = i * step + 3;
    return svg("g", { "data-level": l, class: "run" }, svg("title", { text: word(r) }),
      svg("rect", { class: "hit", x: i * step, y: 0, width: step, height: mid + low + 4 }),
      svg("rect", { class: "bytes", x, y: mid - 8 - a, width: step - 6, height: a, rx: 1.5 }),
      svg("rect", { class: "took", x, y: mid, width: step - 6, height: b, rx: 1.5 }),
      l === "ok" ? null : svg("text", { x: x + (step - 6) / 2, y: mid - 12 - a, "text-anchor": "middle", text: signs[l] }));
  });
  const label = `${plural(runs.length, "run")} from ${moment(runs[0].timestamp)} to ${moment(runs.at(-1).timestamp)}; each is in the table below`;
  const rows = runs.slice().reverse().map((r) => el("tr", {}, el("th", { scope: "row", text: moment(r.timestamp) }), el("td", { text: title(r) }),
    el("td", { class: "num", text: `${count(r.tables_success)} of ${count(r.tables_total)}` }), el("td", { class: "num", text: bytes(r.bytes) }),
    el("td", { class: "num", text: span(r.duration_ms) }), el("td", { text: text(r.trigger) })));
  return el("figure", {},
    svg("svg", { class: "runs", role: "img", "aria-label": label, viewBox: `0 -12 ${width} ${mid + low + 16}`, preserveAspectRatio: "xMinYMid meet" },
      svg("line", { class: "axis", x1: 0, x2: width, y1: mid - 4, y2: mid - 4 }), ...cols),
    el("figcaption", { class: "quiet" }, `${runs.length > 1 ? `From ${moment(runs[0].timestamp)} to ${moment(runs.at(-1).timestamp)}. ` : ""}Above the line: bytes in the vault, up to ${bytes(up)}. Below: how long it took, up to ${span(down)}. ✕ failed, ! in part.`),
    el("details", {}, el("summary", { text: "The runs as a table" }), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The runs as a table" }, el("table", { class: "plain" },
      el("thead", {}, el("tr", {}, ...["When", "Outcome", "Tables", "Bytes", "Took", "Asked by"].map((t, i) => el("th", { scope: "col", class: i > 1 && i < 5 ? "num" : null, text: t })))), el("tbody", {}, ...rows)))));
}

// lag draws how far the change log was behind, as far back as this page has seen.
export function lag(node, samples) {
  const now = samples.at(-1);
  if (!now) return node.replaceChildren(el("p", { class: "quiet", text: "This hub keeps no change log, or does not say." }));
  const most = Math.max(1000, ...samples.map((s) => s.behind));
  const from = samples[0].at, to = Math.max(now.at, from + 60e3);
  const points = samples.map((s) => `${((300 * (s.at - from)) / (to - from)).toFixed(1)},${(30 - (28 * s.behind) / most).toFixed(1)}`).join(" ");
  const words = now.waiting ? `${span(now.behind)} behind; ${bytes(now.waiting)} wait for the vault.` : "Nothing waits: every commit is in the vault.";
  node.replaceChildren(el("p", { text: words }), samples.length < 3 ? "" :
    svg("svg", { class: "spark", role: "img", viewBox: "0 0 300 32", preserveAspectRatio: "none", "aria-label": `How far the change log was behind since this page was opened: at most ${span(most)}` },
      svg("line", { class: "axis", x1: 0, x2: 300, y1: 31, y2: 31 }), svg("polyline", { points })));
}
