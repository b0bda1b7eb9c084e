// The admin API, asked with both halves of a session: the browser keeps the cookie, the page its token. No key is kept here.

const BASE = "/api/gateway";
const LONGEST = 20_000; // milliseconds

export class Failure extends Error {
  constructor(status, detail, errors = []) {
    super([detail, ...errors.map((e) => `${e.field}: ${e.message}`)].join(" "));
    this.status = status;
  }
}

let token = "";

/** The page's half of the session; `kept`: a new one. All tabs of one browser share it, as they do the cookie. */
function pageToken(kept) {
  try {
    if (kept !== undefined) localStorage.setItem("leuko-page", kept);
    token = localStorage.getItem("leuko-page") ?? "";
  } catch {
    token = kept ?? token; // a browser that keeps nothing is signed in until the page is loaded again
  }
  return token;
}

/** Told of every answer: `heard()` when there was one, `out()` when nobody is signed in any more. */
export const listeners = { heard() {}, out() {} };

async function ask(method, path, { body, headers } = {}) {
  const given = { accept: "application/json", ...headers };
  if (pageToken()) given["x-leuko-page"] = token;
  if (body !== undefined) given["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method, headers: given, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin", cache: "no-store", redirect: "error", signal: AbortSignal.timeout(LONGEST),
    });
  } catch {
    throw new Failure(0, "The gateway does not answer.");
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    told = { detail: text.slice(0, 200) };
  }
  if (!answer.ok) {
    if (answer.status === 401 && path !== "/session") listeners.out();
    throw new Failure(answer.status, told.detail ?? `The gateway answered ${answer.status}.`, told.errors);
  }
  listeners.heard();
  return told;
}

function withQuery(path, query) {
  const set = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return set.length ? `${path}?${new URLSearchParams(set)}` : path;
}

export const get = (path, query) => ask("GET", withQuery(path, query));
export const post = (path, body) => ask("POST", path, { body });
export const put = (path, body, headers) => ask("PUT", path, { body, headers });
export const drop = (path, body) => ask("DELETE", path, { body });
export const exportOf = (query) => withQuery(`${BASE}/audit/export`, { ...query, page: pageToken() });
export const events = () => withQuery(`${BASE}/events`, { page: pageToken() });

export async function signIn(key) {
  const who = await ask("POST", "/session", { headers: { "x-admin-key": key } });
  pageToken(who.page);
  return who;
}

/** The session is over on the gateway, or everywhere all of this key; without the token none goes on here in any case. */
export function signOut(everywhere) {
  const told = drop(everywhere ? "/sessions" : "/session");
  pageToken("");
  return told;
}

/** An id or a name as a part of a path. */
export const quoted = encodeURIComponent;

/** All pages of a list, up to `most` items: short ones, so that no answer keeps others waiting. */
export async function all(path, most = 5000) {
  const found = [];
  let cursor;
  do {
    const page = await get(path, { limit: 250, cursor });
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && found.length < most);
  return found;
}
