// Numbers, times and states as people read them.

import { h } from "/dashboard/dom.js";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumFractionDigits: 2 });
const cents = new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dated = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

export const count = (n) => (Math.abs(n) >= 100_000 ? short.format(n) : whole.format(n));
export const usd = (n) => (n !== 0 && Math.abs(n) < 0.01 ? cents.format(n) : dollars.format(n));
export const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;
/** A name of the gateway's own as words. */
export const words = (name) => String(name ?? "").replaceAll("_", " ");
export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`);
export const sigma = (n) => (n === null || n === undefined ? "–" : `${n.toFixed(1)} σ`);

/** A measured value: three digits. */
export function measure(n) {
  if (n === null || n === undefined) return "–";
  if (n === 0) return "0";
  return Math.abs(n) >= 100 ? count(Math.round(n)) : String(Number(n.toPrecision(3)));
}

/** A measured value in its unit, or in one that is easier to read. */
export function inUnit(n, unit) {
  if (n === null || n === undefined) return "–";
  if (unit === "USD") return usd(n);
  if (unit === "ms" && Math.abs(n) >= 10_000) return `${measure(n / 1000)} s`;
  if (["ms", "s"].includes(unit)) return `${measure(n)} ${unit}`;
  return `${measure(n)} ${n === 1 ? unit.replace(/s$/, "") : unit}`;
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const timeOf = (date) => clock.format(date);

/** How long ago; the date on hover, and in `datetime`. */
export function ago(text) {
  const at = new Date(text);
  const seconds = (Date.now() - at) / 1000;
  const shown = seconds < 2 ? "now" : `${duration(seconds)} ago`;
  return h("time", { datetime: text, title: dated.format(at) }, shown);
}

/** How long from now. */
export function ahead(text) {
  const at = new Date(text);
  const seconds = (at - Date.now()) / 1000;
  return h("time", { datetime: text, title: dated.format(at) }, seconds <= 0 ? "now" : `in ${duration(seconds)}`);
}

/** The date and time. */
export const when = (text) => h("time", { datetime: text, title: text }, dated.format(new Date(text)));

/** The worst first. */
export const STATES = [
  "EXHAUSTED", "QUARANTINED", "DRAINING", "SUSPECTED", "HEALING", "PROBATION", "INITIALIZING", "HEALTHY",
];
export const BLOCKED = new Set(["DRAINING", "QUARANTINED", "HEALING", "EXHAUSTED"]);

export const MEANING = {
  INITIALIZING: "Its usual behaviour is still being learned.",
  HEALTHY: "It behaves as it usually does.",
  SUSPECTED: "It behaves unusually; the next calls decide.",
  DRAINING: "Nothing new passes; running streams end first.",
  QUARANTINED: "Nothing passes.",
  HEALING: "Nothing passes; a remedy is being put in force.",
  PROBATION: "It is let through with a remedy in force, and watched.",
  EXHAUSTED: "Nothing passes: no remedy is left. A person has to act.",
};

/** A word in the colour of a state; ALLOWED and DENIED have colours, too, and no state has none. */
export const tinted = (state, text, title) => h("span", { class: "chip", "data-state": state, title }, text);

export const chip = (state) => tinted(state, state, MEANING[state]);
