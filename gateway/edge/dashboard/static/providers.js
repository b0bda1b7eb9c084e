// Where requests go, how that went today, and which trouble is not the agents' own.

import { get } from "/dashboard/api.js";
import { fill, given, h } from "/dashboard/dom.js";
import { ago, count, percent, usd, when } from "/dashboard/format.js";
import { heading, part, table } from "/dashboard/ui.js";

const TROUBLED = 0.05; // share of errors from which one is told as trouble

export async function show(main, { title }) {
  title("Providers");
  const trouble = h("ul", { class: "rows" });
  const list = table("Providers", [["Provider"], ["Health"], ["Requests today", "number"], ["Errors today", "number"],
    ["Tokens", "number"], ["Cost", "number"], ["Models"], ["Key"]]);
  const past = h("ul", { class: "rows" });
  fill(main, heading("Providers"), part("External causes now", trouble), part("Providers", list.node),
    part("External incidents lately", past));
  return {
    wants: (kind) => kind.startsWith("incident") || kind === "immune.alert" || kind === "admin.change",
    async update() {
      const today = new Date().toISOString().slice(0, 10);
      const [providers, usage, stats, incidents] = await Promise.all([get("/providers"),
        get("/usage", { by: "provider", since: today }), get("/stats"), get("/incidents", { limit: 200 })]);
      fill(trouble, stats.external.length ? stats.external.map((one) => h("li", {},
        h("span", { class: "chip", "data-state": "DRAINING" }, "EXTERNAL"), given(`${one.provider} · ${one.model}`),
        h("span", { class: "muted" }, "since ", ago(one.since)))) : h("li", { class: "empty" }, "None: agents that have trouble have their own."));
      const used = new Map(usage.items.map((one) => [one.name, one]));
      fill(list.body, providers.items.map((one) => provider(one, used.get(one.name), stats.external)));
      const outside = incidents.items.filter((one) => one.agent_id === null).slice(0, 10);
      fill(past, outside.length ? outside.map((one) => h("li", {},
        h("a", { href: `#/incident/${encodeURIComponent(one.incident_id)}` }, given(one.reason)), when(one.opened_at),
        h("span", { class: "muted" }, one.closed_at ? ["over since ", when(one.closed_at)] : "not over"))) : h("li", { class: "empty" }, "None."));
    },
  };
}

function provider(one, used, external) {
  const errors = used?.requests ? used.errors / used.requests : 0;
  const ill = external.some((other) => other.provider === one.name);
  const [state, told] = ill ? ["DENIED", "troubled"] : !used?.requests ? ["", "not used today"]
    : errors >= TROUBLED ? ["SUSPECTED", "errors"] : ["ALLOWED", "well"];
  return h("tr", {}, h("td", {}, given(one.name), h("span", { class: "sub" }, one.url || one.dialect)),
    h("td", {}, h("span", { class: "chip", "data-state": state }, told)),
    h("td", { class: "number" }, count(used?.requests ?? 0)),
    h("td", { class: "number" }, used ? `${count(used.errors)} (${percent(errors)})` : "0"),
    h("td", { class: "number" }, count(used?.tokens ?? 0)), h("td", { class: "number" }, usd(used?.cost_usd ?? 0)),
    h("td", {}, given(one.models.join(", ") || "any other")),
    h("td", {}, one.has_key ? "its own" : "the caller's"));
}
