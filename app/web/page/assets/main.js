// The page: who is signed in, what the hub says, and what is drawn from it.

import { $, el, mark, say, show, time } from "./dom.js";
import { act, enter, health, leave, session, snapshots } from "./api.js";
import { ages, bytes, clock, list, plural, span } from "./words.js";
import { newest, verdict } from "./verdict.js";
import { follow } from "./live.js";
import { tables } from "./tables.js";
import { about, title } from "./events.js";
import { history, lag } from "./history.js";
import { dialog } from "./restore.js";
import { running } from "./running.js";

const week = 7 * 24 * 3600e3;
const most = 3000; // events that are kept in mind
const state = { who: null, health: null, listing: null, events: [], ids: new Set(), lag: [], downSince: 0, seenAt: 0, isLive: false };
let stream = null;

const may = () => state.who && (state.who.role === "operator" || state.who.role === "admin");
const view = tables({ restore: (t) => restore.open([t], state.listing, false), compact: (t, b, out) => work(b, out, `compact/${encodeURIComponent(t)}`, {}, compacted), drill: (t, b, out) => work(b, out, "drill", { tables: [t] }, drilled) });
const past = history();
const restore = dialog(() => refresh());
const run = running(view);

// work starts something and says beside the button what came of it.
async function work(button, out, what, body, words) {
  button.disabled = true;
  mark(out, "data-level", null);
  say(out, "Asked …");
  try {
    say(out, words(await act(what, body)));
    mark(out, "data-level", "ok");
  } catch (e) {
    say(out, e.message);
    mark(out, "data-level", "bad");
  }
  button.disabled = false;
  if (document.activeElement === document.body) button.focus();
  refresh();
}
const compacted = (c) => (c.results?.length ? `Compacted: ${c.results.map((r) => r.error ? r.error : `${bytes(r.bytes_before)} → ${bytes(r.bytes_after)}`).join(", ")}` : "Nothing to compact");
const drilled = (d) => (d.checked ? `Proven: ${plural(d.checked, "snapshot")} restored and compared in ${span(d.duration_ms)}` : "There is no snapshot to drill yet");
const backedUp = (r) => (r.status === "complete" ? `Backed up ${plural(r.tables_success, "table")}, ${bytes(r.bytes)}, in ${span(r.duration_ms)}` : `Backed up in part: ${list(r.tables_failed)} failed`);

// What is asked again while an answer is under way is asked once more after it.
let asking = null, more = false, timer = 0; // asking: for whom
function refresh() {
  clearTimeout(timer);
  timer = setTimeout(look, 150);
}
async function look() {
  const who = state.who; // what is answered after they have gone is for nobody
  if (!who) return;
  if (asking === who) { more = true; return; }
  asking = who;
  try {
    const [h, l] = await Promise.all([health(), snapshots().catch((e) => { if (e.status === 0 || e.status === 401) throw e; return state.listing; })]);
    if (state.who !== who) return;
    state.health = h;
    state.listing = l;
    state.seenAt = Date.now();
    if (h.change_log) state.lag = state.lag.concat({ at: Date.now(), behind: h.change_log.behind_ms, waiting: h.change_log.waiting_bytes }).slice(-240);
    if (state.isLive) state.downSince = 0;
    draw();
  } catch (e) {
    if (state.who !== who) return;
    if (e.status === 401) shell("Your session has ended. Sign in again.");
    else down(e.status !== 0);
  } finally {
    if (asking === who) {
      asking = null;
      if (more) { more = false; refresh(); }
    }
  }
}

function down(answers) {
  if (!state.downSince) state.downSince = Date.now();
  if (!answers) state.isLive = false;
  connection();
}

function connection() {
  const pill = $("live");
  const off = state.downSince > 0;
  say(pill, off ? "Not connected" : state.isLive ? "Live" : "Connecting");
  mark(pill, "data-level", off ? "bad" : state.isLive ? "ok" : null);
  say($("stale"), off ? `Not connected since ${clock(state.downSince)}. ${state.seenAt ? `What you see is from ${clock(state.seenAt)}.` : "Nothing was seen yet."} Trying again by itself.` : "");
  show($("stale"), off);
  document.body.classList.toggle("old", off);
}

function draw() {
  const h = state.health;
  if (!h) return;
  const v = verdict(h, run.under());
  say($("verdict"), v.text);
  mark($("verdict"), "data-level", v.level);
  const lines = $("conditions");
  if (lines.dataset.was !== JSON.stringify(h.conditions)) {
    lines.dataset.was = JSON.stringify(h.conditions);
    lines.replaceChildren(...h.conditions.map((c) => el("li", { text: c })));
  }
  show(lines, h.conditions.length > 0);
  fact("fact-snapshot", newest(h.tables, "last_snapshot_at"), "none yet");
  fact("fact-proof", newest(h.tables, "last_proven_at"), "none yet");
  const c = h.change_log;
  say($("fact-rpo"), !c ? "what was written since the newest snapshot" : c.waiting_bytes ? `the last ${span(c.behind_ms)}, ${bytes(c.waiting_bytes)}` : "nothing");
  view.draw(h, state.listing, may());
  run.draw();
  past.draw(state.events, h);
  lag($("lag"), state.lag);
  connection();
  ages();
}

function fact(id, of, none) {
  const node = $(id);
  const key = `${of.newest}/${of.without}`;
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  const t = time(of.newest);
  if (!of.newest) t.textContent = none;
  node.replaceChildren(t, of.newest && of.without ? el("small", { class: "quiet", text: ` ${plural(of.without, "table")} without` }) : "");
}

function add(e) {
  if (!e.id || state.ids.has(e.id)) return;
  state.ids.add(e.id);
  const at = state.events.findIndex((x) => x.timestamp < e.timestamp || (x.timestamp === e.timestamp && x.id < e.id));
  state.events.splice(at < 0 ? state.events.length : at, 0, e);
  const floor = Date.now() - week;
  while (state.events.length > most || (state.events.length && state.events.at(-1).timestamp < floor)) state.ids.delete(state.events.pop().id);
  run.event(e);
  if (state.isLive) {
    if (/_failed$|recovery|corruption|degraded|stale|backup_complete/.test(e.type)) say($("said"), `${title(e)}. ${about(e)}`);
    past.draw(state.events, state.health);
    ages();
    refresh();
  }
}

async function start() {
  state.who = await session();
  say($("hub"), state.who.hub);
  document.title = `${state.who.hub} – Brock`;
  say($("release"), state.who.release ?? "");
  say($("role"), state.who.role);
  show($("login"), false);
  show($("app"), true);
  show($("backup-box"), may());
  $("all-actions").replaceChildren(...(may() ? allButtons() : []));
  look();
  stream = follow({
    event: add,
    progress(p) { run.progress(p); restore.progress(p.table, p); },
    live() { state.isLive = true; state.downSince = 0; say($("said"), "Live."); run.live(); refresh(); connection(); past.draw(state.events, state.health); ages(); },
    lost(n) { add({ id: `lost-${Date.now()}`, type: "events_lost", timestamp: Date.now(), message: `${plural(n, "event")} of before are kept no longer` }); },
    down() { state.isLive = false; down(true); },
    out() { shell("Your session has ended. Sign in again."); },
  });
}

function allButtons() {
  const out = $("all-out");
  const button = (text, go) => { const b = el("button", { type: "button", class: "small", onclick: () => go(b) }, text); return b; };
  return [button("Restore all…", () => restore.open((state.health?.tables ?? []).map((t) => t.table), state.listing, true)),
    button("Compact all", (b) => work(b, out, "compact", {}, compacted)), button("Drill all", (b) => work(b, out, "drill", {}, drilled))];
}

// forget takes from the page what a session has put there.
function forget() {
  document.title = "Brock";
  say($("verdict"), "Looking …");
  mark($("verdict"), "data-level", null);
  for (const id of ["conditions", "backup-out", "all-out", "all-actions", "hub", "release", "role", "said", "restore", "fact-snapshot", "fact-proof", "fact-rpo"]) $(id).replaceChildren();
  for (const id of ["fact-snapshot", "fact-proof"]) delete $(id).dataset.key;
  delete $("conditions").dataset.was;
  $("find").value = $("words").value = $("kind").value = "";
  run.forget();
  view.draw({ tables: [] }, null, false);
  past.draw([], null);
  lag($("lag"), []);
  connection();
}

// shell shows the login, and forgets what was seen.
function shell(why) {
  stream?.end();
  stream = null;
  Object.assign(state, { who: null, health: null, listing: null, events: [], ids: new Set(), lag: [], downSince: 0, seenAt: 0, isLive: false });
  $("restore").close();
  forget();
  $("token").value = "";
  say($("login-why"), why ?? "");
  show($("login-why"), Boolean(why));
  show($("app"), false);
  show($("login"), true);
  $("token").focus();
}

$("login-form").addEventListener("submit", async (e) => {
  e.preventDefault();
  const button = e.target.querySelector("button");
  say($("login-error"), "");
  button.disabled = true;
  try {
    await enter($("token").value.trim());
    $("token").value = "";
    await start();
  } catch (err) {
    say($("login-error"), err.status === 401 ? "This token is nobody's. Check that it is whole, and that it was not rotated." : err.message);
    $("token").select();
  }
  button.disabled = false;
});
$("logout").addEventListener("click", async () => {
  if (!state.who) return; // once is enough: what is typed by then stays
  stream?.end();
  state.who = null;
  await leave();
  shell("");
});
$("backup").addEventListener("click", () => work($("backup"), $("backup-out"), "backup", {}, backedUp));

setInterval(() => { ages(); if (state.downSince) connection(); }, 1000);
setInterval(() => { if (!document.hidden) look(); }, 10000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) { stream?.wake(); look(); } });

start().catch((e) => shell(e.status === 401 ? "" : e.message));
