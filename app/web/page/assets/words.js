// Figures and times as people read them.

const units = ["B", "kB", "MB", "GB", "TB", "PB"];
const number = new Intl.NumberFormat("en-GB");

export const count = (n) => number.format(n ?? 0);
export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

export function bytes(n) {
  let i = 0;
  let v = Math.max(0, n ?? 0);
  while (v >= 999.5 && i < units.length - 1) { v /= 1000; i++; }
  return `${i === 0 || v >= 99.5 ? Math.round(v) : v.toFixed(1)} ${units[i]}`;
}

// span is a length of time.
export function span(ms) {
  if (ms < 1) return "under 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

export function ago(at, now = Date.now()) {
  const ms = now - new Date(at).getTime();
  if (ms < 5000) return "just now";
  return `${ms < 60000 ? `${Math.round(ms / 1000)} s` : span(ms)} ago`;
}

const pad = (n, w = 2) => String(n).padStart(w, "0");

// clock is the time of day here, to the second.
export function clock(at) {
  const d = new Date(at);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

// moment is day and time of day here.
export const moment = (at) => `${day.format(new Date(at))}, ${clock(at)}`;

// local is a moment as an input of type datetime-local has it.
export function local(ms) {
  const d = new Date(ms);
  return `${pad(d.getFullYear(), 4)}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${clock(ms)}`;
}

export const percent = (r) => `${Math.round((r ?? 0) * 100)} %`;

export function list(names, most = 4) {
  if (names.length <= most) return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${names.slice(0, most - 1).join(", ")} and ${names.length - most + 1} more`;
}

// ages writes how long ago each marked time was, and when exactly as its title.
export function ages(root = document) {
  for (const t of root.querySelectorAll("time[data-at]")) {
    const text = t.dataset.prefix + ago(t.dataset.at);
    if (t.textContent !== text) t.textContent = text;
    const title = moment(t.dataset.at);
    if (t.title !== title) t.title = title;
  }
}
