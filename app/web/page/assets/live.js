// The hub's events, live. The browser reconnects by itself while the connection breaks;
// where the hub refuses it gives up, and this goes on: with a growing pause, with the
// session looked after, and from the last event that was seen.

import { session } from "./api.js";

const kinds = ["backup_started", "backup_complete", "backup_failed", "compaction_complete", "compaction_failed",
  "recovery_complete", "recovery_failed", "corruption_detected", "verify_complete", "drill_complete", "drill_failed",
  "backup_stale", "table_degraded"];

// follow calls on.event, on.progress, on.live, on.lost, on.down (with the time) and
// on.out (the session has ended). It returns a function that ends it.
export function follow(on) {
  let source = null;
  let last = "";
  let pause = 500;
  let timer = 0;
  let ended = false;
  let isLive = false;

  const parse = (m) => { try { return JSON.parse(m.data); } catch { return null; } };

  function connect() {
    if (ended) return;
    source = new EventSource(last ? `/events?last_event_id=${encodeURIComponent(last)}` : "/events?since=168h");
    for (const k of kinds) source.addEventListener(k, (m) => {
      if (m.lastEventId) last = m.lastEventId;
      const e = parse(m);
      if (e) on.event(e);
    });
    source.addEventListener("progress", (m) => { const p = parse(m); if (p) on.progress(p); });
    source.addEventListener("lost", (m) => on.lost(parse(m)?.missed ?? 0));
    source.addEventListener("live", () => { isLive = true; pause = 500; on.live(); });
    source.onerror = broken;
  }

  function broken() {
    if (ended) return;
    isLive = false;
    on.down();
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again
    later();
  }

  function later() {
    clearTimeout(timer);
    source?.close();
    timer = setTimeout(retry, pause);
    pause = Math.min(pause * 1.7, 10000);
  }

  async function retry() {
    try {
      await session();
    } catch (e) {
      if (ended) return;
      if (e.status === 401) { end(); on.out(); return; }
      later();
      return;
    }
    connect();
  }

  function end() {
    ended = true;
    clearTimeout(timer);
    source?.close();
    removeEventListener("online", wake);
  }

  // A machine that slept, or changed its network, need not wait for the pause to end.
  function wake() { if (!isLive) { pause = 500; later(); } }

  addEventListener("online", wake);
  connect();
  return { end, wake };
}
