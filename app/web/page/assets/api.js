// What the page asks of the hub. Answers that are errors become a Failure, whose message
// is the hub's own sentence.

export class Failure extends Error {
  constructor(status, body, message) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

// The token stays in this page's memory alone, so that a hub that was restarted, and
// has forgotten its sessions, is entered again without asking. A reload forgets it.
let token = null;

async function ask(method, path, body, wait) {
  const init = { method, credentials: "same-origin", cache: "no-store", headers: {} };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }
  if (wait) init.signal = AbortSignal.timeout(wait);
  let resp;
  try {
    resp = await fetch(path, init);
  } catch (e) {
    throw new Failure(0, null, e.name === "TimeoutError" ? "The hub does not answer in time." : "The hub cannot be reached.");
  }
  const text = await resp.text().catch(() => "");
  let value = null;
  try { value = text ? JSON.parse(text) : null; } catch { /* no JSON: the status says it */ }
  if (!resp.ok) throw new Failure(resp.status, value, why(resp.status, value));
  return value;
}

// why is a sentence about a failure. A result of which nothing succeeded says so per table.
function why(status, v) {
  if (v && typeof v.message === "string" && v.message) return v.message;
  const errors = (v?.results ?? []).filter((r) => r.error).map((r) => `${r.table}: ${r.error}`);
  const problems = (v?.problems ?? []).map((p) => `${p.table}: ${p.problem}`);
  const all = errors.concat(problems);
  if (all.length) return all.slice(0, 3).join("; ") + (all.length > 3 ? `; and ${all.length - 3} more` : "");
  return `The hub answered with status ${status}.`;
}

// again asks, and where the session is gone enters once more with the token of before:
// of when it asked, for whoever has signed in since asks for themselves.
async function again(method, path, body, wait) {
  const mine = token;
  try {
    return await ask(method, path, body, wait);
  } catch (e) {
    if (e.status !== 401 || mine === null || token !== mine) throw e;
    await newSession(mine);
    if (token !== mine) { // signed out meanwhile
      if (token === null) await leave();
      throw e;
    }
    return ask(method, path, body, wait);
  }
}

const newSession = (given) => ask("POST", "/api/session", { token: given }, 15000);

export async function enter(given) {
  await newSession(given);
  token = given;
}

export async function leave() {
  token = null;
  await ask("DELETE", "/api/session", undefined, 5000).catch(() => {});
}

export const session = () => again("GET", "/api/session", undefined, 10000);
export const health = () => again("GET", "/api/admin/health", undefined, 15000);
export const snapshots = () => again("GET", "/api/admin/snapshots", undefined, 30000);

// act starts work; the answer comes when it is done.
export const act = (what, body = {}) => again("POST", `/api/admin/${what}`, body);
