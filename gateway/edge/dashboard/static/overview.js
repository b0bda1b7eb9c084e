// What is wrong, since when, what was done, and what waits for a person; then the numbers.

import { get, quoted } from "/dashboard/api.js";
import { fill, given, h, keyed, say } from "/dashboard/dom.js";
import { ago, chip, count, duration, many, percent, STATES, tinted, usd, words } from "/dashboard/format.js";
import { causeOf, doneLast, incidentRow } from "/dashboard/incident.js";
import { agentLink } from "/dashboard/names.js";
import { failing, failure } from "/dashboard/providers.js";
import { heading, lines, part } from "/dashboard/ui.js";

const SHOWN = 12;
const LATEST = 6;

const TILES = [
  ["Agents", (s) => count(s.agents), "that were ever seen", "#/agents"],
  ["Blocked now", (s) => count(s.quarantined), "nothing of them passes", "#/agents?state=blocked", (s) => s.quarantined > 0],
  ["Waiting for you", (s) => count(s.pending_approvals), "approvals", "#/approvals", (s) => s.pending_approvals > 0],
  ["Healed", (s) => count(s.healed), (s) => (s.success_rate === null ? "treatments" : `${percent(s.success_rate)} of treatments`), "#/healing"],
  ["Infections", (s) => count(s.infections), "quarantines by the gateway", "#/healing"],
  ["Findings", (s) => count(s.findings), "of the immune system"],
  ["Executions", (s) => count(s.executions), "calls of agents"],
  ["Denied", (s) => count(s.denied), "requests and calls that were refused", "#/audit?allowed=false"],
  ["Errors", (s) => count(s.errors), (s) => (s.executions ? `${percent(s.errors / s.executions)} of calls` : "of calls")],
  ["Tokens", (s) => count(s.tokens), (s) => `${count(s.input_tokens)} in, ${count(s.output_tokens)} out`],
  ["Cost", (s) => usd(s.cost_usd), "of models with a price"],
  ["Running for", (s) => duration(s.runtime_seconds), "since the first start"],
];

export async function show(main, { live, pending, title }) {
  title("Overview");
  const attention = h("ul", { class: "rows needs" });
  const tiles = h("ul", { class: "tiles" });
  const events = h("ol", { class: "rows events" });
  const calm = h("p", { class: "good", hidden: true }, "Nothing needs you now.");
  const lately = h("ul", { class: "rows" });
  const quiet = h("p", { class: "empty" }, "Nothing has happened since you opened this page.");
  fill(main, heading("Overview"), part("Needs attention", calm, attention), part("Totals", tiles),
    part("Latest incidents", lately), part("Latest events", quiet, events));
  for (const [name, , , href] of TILES) {
    const body = [h("span", { class: "name" }, name), h("strong", {}, "–"), h("span", { class: "of" })];
    tiles.append(h("li", { class: "tile" }, href ? h("a", { href }, body) : h("div", {}, body)));
  }
  return {
    async update() {
      const [stats, open, latest, mode, providers] = await Promise.all([get("/stats"), get("/incidents", { open: true, limit: 50 }),
        get("/incidents", { limit: LATEST }), get("/mode"), get("/providers")]);
      pending(stats.pending_approvals);
      TILES.forEach(([, shown, of, , alarming], i) => {
        const tile = tiles.children[i];
        say(tile.querySelector("strong"), shown(stats));
        say(tile.querySelector(".of"), typeof of === "function" ? of(stats) : of);
        tile.toggleAttribute("data-alarm", Boolean(alarming?.(stats)));
      });
      const wanted = needs(stats, open, mode, providers.items.filter(failing));
      calm.hidden = wanted.length > 0;
      keyed(attention, wanted, (one) => one.key, () => h("li"), (node, one) => {
        if (node.contains(document.activeElement)) return; // who is about to press something keeps it
        fill(node, one.shown());
      });
      lines(lately, latest.items.map((one) => incidentRow(one)), "There was none.");
      quiet.hidden = live.recent.length > 0;
      keyed(events, live.recent.slice(0, SHOWN), (one) => one.id, event, (node, one) =>
        fill(node.lastElementChild, ago(one.time)));
    },
  };
}

function needs(stats, open, mode, failed) {
  const found = [];
  if (stats.pending_approvals) {
    found.push({ key: "approvals", shown: () => [
      tinted("SUSPECTED", "WAITING"),
      h("span", { class: "what" }, `${many(stats.pending_approvals, "approval")} for a person`),
      act("#/approvals", "Decide", "Decide on what waits", "primary")] });
  }
  for (const one of stats.external) {
    found.push({ key: `external ${one.provider} ${one.model}`, shown: () => [
      tinted("DRAINING", "EXTERNAL"),
      h("span", { class: "what" }, given(one.provider), " with ", given(one.model), h("span", { class: "sub" },
        "many agents suffer at once, so none of them is blamed")),
      h("span", { class: "muted" }, "since ", ago(one.since)), act("#/providers", "See", "See the providers")] });
  }
  for (const one of failed.filter((other) => !stats.external.some((known) => known.provider === other.name))) {
    found.push({ key: `provider ${one.name}`, shown: () => [
      tinted("DENIED", "FAILING"),
      h("span", { class: "what" }, "The provider ", given(one.name), h("span", { class: "sub" }, failure(one))),
      act("#/providers", "See", "See the providers")] });
  }
  if (mode.mode) {
    const set = mode.items.find((one) => one.scope === "everyone");
    found.push({ key: `mode ${mode.mode}`, shown: () => [
      tinted("SUSPECTED", "MODE"),
      h("span", { class: "what" }, "Everyone is in mode ", given(mode.mode), h("span", { class: "sub" },
        given(set.reason), " · by ", given(set.by))),
      h("span", { class: "muted" }, ago(set.since)), act("#/mode", "Change", "Change the mode")] });
  }
  const ill = open.items.filter((one) => one.agent_id !== null && one.state !== "PROBATION")
    .sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state));
  for (const one of ill.slice(0, SHOWN)) {
    const waits = one.approval === "pending";
    found.push({ key: one.incident_id, shown: () => [
      chip(one.state), h("span", { class: "what" }, agentLink(one.agent_id), " ", given(causeOf(one)),
        h("span", { class: "sub" }, causeOf(one) !== one.reason && [given(words(one.reason)), " · "], given(doneLast(one)))),
      h("span", { class: "muted" }, ago(one.opened_at)),
      waits ? act("#/approvals", "Decide", `Decide on ${one.incident_id}`, "primary")
        : act(`#/incident/${quoted(one.incident_id)}`, "Look", `Look at ${one.incident_id}`)] });
  }
  if (ill.length > SHOWN || open.next_cursor) {
    found.push({ key: "more", shown: () => h("a", { href: "#/healing" }, "and more") });
  }
  return found;
}

const act = (href, text, label, kind = "") => h("a", { class: `button ${kind}`, href, "aria-label": label }, text);

function event(one) {
  const { agent_id: agent, ...rest } = one.data ?? {};
  const told = Object.entries(rest).filter(([k, v]) => ["string", "number"].includes(typeof v) && !k.endsWith("_id")).slice(0, 5);
  return h("li", {}, h("span", { class: "kind" }, one.kind), agent && agentLink(agent),
    h("span", { class: "muted" }, told.map(([k, v], i) => [i > 0 && " · ", `${words(k)}: `, given(words(v))])),
    h("span", { class: "muted" }));
}
