// Who is signed in, which view is shown, and when it is asked to look again.

import * as api from "/dashboard/api.js";
import { fill, h, plain, say } from "/dashboard/dom.js";
import { timeOf } from "/dashboard/format.js";
import { Live } from "/dashboard/live.js";
import { nameOf } from "/dashboard/names.js";
import { announce, field, oneAtATime } from "/dashboard/ui.js";

const VIEWS = [
  ["", "Overview", "overview"],
  ["agents", "Agents", "agents"],
  ["approvals", "Approvals", "approvals"],
  ["healing", "Healing", "healing"],
  ["mode", "Mode", "mode"],
  ["policies", "Policies", "policies"],
  ["audit", "Audit", "audit"],
  ["providers", "Providers", "providers"],
];
const BELOW = new Map([["agent", ["agent", "agents"]], ["incident", ["incident", "healing"]]]);
const RANK = { viewer: 0, operator: 1, admin: 2 };
const LEAST_PAUSE = 5_000; // milliseconds between two looks
const TRY_AGAIN = 2_000; // milliseconds after a look that failed
const SHARE = 20; // a look may take one part in so many of the time
const GATHER = 250; // milliseconds in which events are gathered
const RENEW = 10 * 60_000;
const WORTH = new Set(["SUSPECTED", "QUARANTINED", "EXHAUSTED"]); // what is told to who looks at something else
const OVER = "Your session is over. Sign in again.";

const $ = (id) => document.getElementById(id);
const live = new Live();
let session = null;
let leave = () => {};
let turns = 0;

api.listeners.heard = () => session && live.heard();
api.listeners.out = () => session && signedOut(OVER);

// Theme

const themes = ["auto", "light", "dark"];

function useTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  fill($("theme"), h("span", { class: "wide" }, "Theme: "), theme);
  $("theme").setAttribute("aria-label", `Theme: ${theme}`);
}

function stored(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(`leuko-${name}`, value);
    return localStorage.getItem(`leuko-${name}`);
  } catch {
    return null; // a browser that keeps nothing still shows the page
  }
}

let theme = themes.includes(stored("theme")) ? stored("theme") : "auto";
useTheme(theme);
$("theme").addEventListener("click", () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  stored("theme", theme);
  useTheme(theme);
});

// Session

function signedOut(why = "") {
  session = null;
  stored("until", "");
  leave();
  leave = () => {};
  live.stop();
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  for (const part of ["top", "nav", "mode"]) $(part).hidden = true;
  document.title = "Sign in – Leuko";
  const problem = h("p", { class: "problem", role: "alert" }, why);
  const key = field({
    name: "key", label: "Admin key", kind: "password", required: true, autocomplete: "off",
    hint: "The key of the settings, or one made for you. It is sent once and not kept.",
  });
  const form = h("form", { class: "card sign-in", onsubmit: async (event) => {
    event.preventDefault();
    const input = form.elements.namedItem("key");
    const shown = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(shown)) return say(problem, "A key has no spaces and only plain characters.");
    input.value = "";
    try {
      signedIn(await api.signIn(shown));
    } catch (error) {
      say(problem, error.status === 401 ? "This key is not known." : error.message);
      input.focus();
    }
  } },
    h("h1", {}, h("img", { src: "/dashboard/icon.svg", alt: "", width: 28, height: 28 }), "Leuko"),
    h("p", {}, "Sign in to see and steer the agents behind this gateway."), problem, key,
    h("div", { class: "buttons" }, h("button", { class: "primary", type: "submit" }, "Sign in")));
  fill($("main"), form);
  form.elements.namedItem("key").focus();
}

function signedIn(who) {
  session = who;
  until(who);
  for (const part of ["top", "nav"]) $(part).hidden = false;
  say($("who"), `${who.key_id} · ${who.role}`);
  live.start();
  showMode();
  showPending();
  route();
}

$("out").addEventListener("click", () => signOut(false));
$("out-all").addEventListener("click", () => signOut(true));

async function signOut(everywhere) {
  try {
    await api.signOut(everywhere);
    signedOut(everywhere ? "You are signed out everywhere." : "You are signed out.");
  } catch (error) {
    signedOut(error.status === 401 ? OVER : `You are signed out in this browser only. ${error.message}`);
  }
}

/** Remember until when there is a session, so that nobody is asked for one that is over. It says nothing else. */
const until = (who) => stored("until", who.expires_at ?? "");

setInterval(() => {
  if (session && !document.hidden) api.get("/session").then(until, (error) => error.status === 401 && signedOut(OVER));
}, RENEW);

// Navigation

const links = new Map(VIEWS.map(([path, title]) => [path, h("a", { href: `#/${path}` }, title)]));
const waiting = h("span", { class: "badge", hidden: true });
links.get("approvals").append(waiting);
fill($("nav"), h("ul", {}, [...links.values()].map((link) => h("li", {}, link))));

$("menu").addEventListener("click", () => openMenu($("menu").getAttribute("aria-expanded") !== "true"));
function openMenu(open) {
  $("menu").setAttribute("aria-expanded", String(open));
  $("nav").classList.toggle("open", open);
}

$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});

/** How many wait for a person; every view that knows says it. */
function pending(n) {
  waiting.hidden = !n;
  say(waiting, n ? `${n}` : "");
  waiting.setAttribute("aria-label", `${n} waiting`);
}

async function showMode() {
  try {
    const { mode } = await api.get("/mode");
    $("mode").hidden = !mode;
    say($("mode"), mode ?? "");
    $("mode").title = `Everyone is in mode ${mode}`;
  } catch {
    // the view of the mode says what is wrong with it
  }
}

async function showPending() {
  try {
    pending((await api.get("/stats")).pending_approvals);
  } catch {
    // the view says what is wrong
  }
}

setInterval(() => {
  // A view in which somebody reads asks for nothing: whether the gateway still answers is asked for here.
  if (session && !document.hidden && Date.now() - live.heardAt >= LEAST_PAUSE) showPending();
}, LEAST_PAUSE);

live.watch((kind, event) => {
  const { data } = event;
  if (kind.startsWith("approval.")) showPending();
  if (kind === "mode") showMode();
  if (kind === "lifecycle" && WORTH.has(data.state)) announce(`${nameOf(data.agent_id)} is ${data.state} now.`);
  if (kind === "approval.requested") announce("An approval waits for a person.");
  if (kind === "immune.alert") announce("The immune system asks for a person.", "error");
});

async function route() {
  if (!session) return;
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("?")[0].split("/");
  const query = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const found = VIEWS.find(([path]) => path === name);
  const [file, under] = found ? [found[2], name] : BELOW.get(name) ?? ["overview", ""];
  let argument = "";
  try {
    argument = decodeURIComponent(rest.join("/"));
  } catch {
    argument = rest.join("/");
  }
  leave();
  leave = () => {};
  openMenu(false);
  const turn = ++turns;
  for (const [path, link] of links) {
    if (path === under) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = $("main");
  fill(main, h("p", { class: "empty" }, "Loading…"));
  scrollTo(0, 0);
  const context = {
    session, live, argument, query, pending, showMode, again() {},
    may: (role) => RANK[session.role] >= RANK[role],
    title: (text) => (document.title = `${plain(text)} – Leuko`),
  };
  const { show } = await import(`/dashboard/${file}.js`);
  if (context.session !== session || turn !== turns) return;
  leave = keepFresh(await show(main, context), context, main);
}

/**
 * A view is `{update(), wants?(kind, data)}`: it looks again after events that it wants, from time to time, and when it
 * says `context.again()`. What goes wrong then is told at its top.
 */
function keepFresh(view, context, main) {
  let over = false;
  let timer;
  let problem = null;
  let shown = null; // when what is shown was asked for
  main.setAttribute("aria-busy", "true"); // until there is something to see
  const look = oneAtATime(async () => {
    if (over || document.hidden) return;
    const began = performance.now();
    const asked = new Date();
    try {
      await view.update();
      shown = asked;
      if (!over) main.removeAttribute("aria-busy");
      problem?.remove();
      problem = null;
    } catch (error) {
      if (over || error.status === 401) return;
      problem ??= main.insertAdjacentElement("afterbegin", h("p", { class: "problem", role: "alert" }));
      say(problem, shown ? `${error.message} What you see is from ${timeOf(shown)}.` : error.message);
      if (error.status === undefined) console.error(error);
    }
    clearTimeout(timer);
    if (!over) timer = setTimeout(look, Math.max(problem ? TRY_AGAIN : LEAST_PAUSE, SHARE * (performance.now() - began)));
  });
  const seen = () => document.hidden || look();
  context.again = look;
  const unwatch = context.live.watch((kind, event) => {
    if (view.wants && !view.wants(kind, event.data ?? {})) return;
    clearTimeout(timer);
    timer = setTimeout(look, GATHER);
  });
  document.addEventListener("visibilitychange", seen);
  look();
  return () => {
    over = true;
    main.removeAttribute("aria-busy");
    clearTimeout(timer);
    unwatch();
    view.leave?.();
    document.removeEventListener("visibilitychange", seen);
  };
}

window.addEventListener("hashchange", () => {
  route();
  $("main").focus({ preventScroll: true });
});

if (new Date(stored("until") || 0) > new Date()) {
  api.get("/session").then(signedIn, (error) => signedOut(error.status === 401 ? OVER : error.message));
} else {
  signedOut();
}
