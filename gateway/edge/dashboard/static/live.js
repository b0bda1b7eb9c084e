// What happens, as it happens: the gateway's events, and how old what is shown is.

import { events } from "/dashboard/api.js";
import { timeOf } from "/dashboard/format.js";
import { fill, say } from "/dashboard/dom.js";

const KINDS = [
  "admin.change", "admin.refused", "approval.approved", "approval.expired", "approval.rejected", "approval.requested",
  "baseline.accepted", "feedback", "finding", "healing", "immune.alert", "incident.closed", "incident.opened",
  "lifecycle", "mode", "quarantine", "release", "tool.approved", "tools.pinned",
];
const STALE = 15_000; // milliseconds without an answer
const AGAIN = 3_000; // milliseconds until a closed stream is opened anew
const KEPT = 100; // events

export class Live {
  constructor() {
    this.recent = [];
    this.watchers = new Set();
    this.heardAt = 0;
    this.open = false;
    this.source = null;
  }

  start() {
    this.heard();
    this.connect();
    this.ticking = setInterval(() => this.show(), 1000);
    document.addEventListener("visibilitychange", this.seen);
  }

  /** A browser has six connections to one origin: tabs that nobody looks at hold none of them. */
  seen = () => {
    if (document.hidden) this.close();
    else if (!this.source) this.connect();
  };

  close() {
    clearTimeout(this.again);
    this.source?.close();
    this.source = null;
    this.open = false;
  }

  stop() {
    clearInterval(this.ticking);
    document.removeEventListener("visibilitychange", this.seen);
    this.close();
    this.recent.length = 0;
    document.getElementById("stale").hidden = true;
  }

  /** `told(kind, event)` for each event, until the function that this gives is called. */
  watch(told) {
    this.watchers.add(told);
    return () => this.watchers.delete(told);
  }

  heard() {
    this.heardAt = Date.now();
    this.show();
  }

  connect() {
    const source = new EventSource(events());
    this.source = source;
    source.onopen = () => {
      this.open = true;
      this.heard();
    };
    source.onerror = () => {
      this.open = false;
      this.show();
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        clearTimeout(this.again);
        this.again = setTimeout(() => this.source === source && this.connect(), AGAIN);
      }
    };
    for (const kind of KINDS) source.addEventListener(kind, (message) => this.take(kind, message));
  }

  take(kind, message) {
    let event;
    try {
      event = JSON.parse(message.data);
    } catch {
      return; // half an event says nothing
    }
    this.recent.unshift({ id: message.lastEventId, ...event, kind });
    this.recent.length = Math.min(this.recent.length, KEPT);
    this.heard();
    for (const told of this.watchers) told(kind, event);
  }

  show() {
    const age = Date.now() - this.heardAt;
    const stale = age > STALE;
    const state = stale ? "stale" : this.open ? "live" : "late";
    const live = document.getElementById("live");
    live.dataset.state = state;
    say(document.getElementById("live-text"), { live: "Live", late: "No events", stale: "Stale" }[state]);
    live.title = `Last answer at ${timeOf(this.heardAt)}`;
    const banner = document.getElementById("stale");
    const problem = stale
      ? `Nothing new has come from the gateway since ${timeOf(this.heardAt)}: what you see is from then.`
      : "";
    if (banner.hidden !== !problem || banner.textContent !== problem) {
      banner.hidden = !problem;
      fill(banner, problem);
    }
  }
}
