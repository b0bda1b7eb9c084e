// What is wrong, since when, and what waits for a person; then the numbers.

import { get } from "/dashboard/api.js";
import { fill, given, h, keyed, say } from "/dashboard/dom.js";
import { ago, chip, count, duration, percent, usd } from "/dashboard/format.js";
import { heading, part } from "/dashboard/ui.js";

const SHOWN = 12;

const TILES = [
  ["Agents", (s) => count(s.agents), "#/agents"],
  ["Quarantined", (s) => count(s.quarantined), "#/agents?state=blocked", (s) => s.quarantined > 0],
  ["Waiting for you", (s) => count(s.pending_approvals), "#/approvals", (s) => s.pending_approvals > 0],
  ["Healed", (s) => `${count(s.healed)} (${percent(s.success_rate)})`, "#/healing"],
  ["Executions", (s) => count(s.executions)],
  ["Findings", (s) => count(s.findings)],
  ["Infections", (s) => count(s.infections)],
  ["Denied", (s) => count(s.denied), "#/audit?allowed=false"],
  ["Errors", (s) => count(s.errors)],
  ["Tokens", (s) => count(s.tokens)],
  ["Cost", (s) => usd(s.cost_usd)],
  ["Running for", (s) => duration(s.runtime_seconds)],
];

export async function show(main, { live, pending, title }) {
  title("Overview");
  const attention = h("ul", { class: "rows" });
  const tiles = h("ul", { class: "tiles" });
  const events = h("ol", { class: "rows events" });
  const calm = h("p", { class: "empty", hidden: true }, "Nothing needs you now.");
  const quiet = h("p", { class: "empty" }, "Nothing has happened since you opened this page.");
  fill(main, heading("Overview"), part("Needs attention", calm, attention), part("Totals", tiles),
    part("Latest events", quiet, events));
  for (const [name, , href] of TILES) {
    const body = [h("span", { class: "name" }, name), h("strong", {}, "–")];
    tiles.append(h("li", { class: "tile" }, href ? h("a", { href }, body) : h("div", {}, body)));
  }
  return {
    async update() {
      const [stats, healing, mode] = await Promise.all([get("/stats"), get("/healing", { limit: 1 }), get("/mode")]);
      pending(stats.pending_approvals);
      TILES.forEach(([, shown, , alarming], i) => {
        const tile = tiles.children[i];
        say(tile.querySelector("strong"), shown(stats));
        tile.toggleAttribute("data-alarm", Boolean(alarming?.(stats)));
      });
      const wanted = needs(stats, healing.agents, mode);
      calm.hidden = wanted.length > 0;
      keyed(attention, wanted, (one) => one.key, () => h("li"), (node, one) => fill(node, one.shown()));
      quiet.hidden = live.recent.length > 0;
      keyed(events, live.recent.slice(0, SHOWN), (one) => one.id, event, (node, one) =>
        fill(node.lastElementChild, ago(one.time)));
    },
  };
}

function needs(stats, patients, mode) {
  const found = [];
  if (stats.pending_approvals) {
    found.push({ key: "approvals", shown: () => [
      h("span", { class: "chip", "data-state": "SUSPECTED" }, "WAITING"),
      h("a", { href: "#/approvals" }, `${count(stats.pending_approvals)} approvals wait for a person`)] });
  }
  for (const one of stats.external) {
    found.push({ key: `external ${one.provider} ${one.model}`, shown: () => [
      h("span", { class: "chip", "data-state": "DRAINING" }, "EXTERNAL"),
      h("a", { href: "#/providers" }, given(one.provider), " with ", given(one.model)),
      h("span", {}, "troubles many agents at once, since ", ago(one.since))] });
  }
  if (mode.mode) {
    const set = mode.items.find((one) => one.scope === "everyone");
    found.push({ key: `mode ${mode.mode}`, shown: () => [
      h("span", { class: "chip", "data-state": "SUSPECTED" }, "MODE"),
      h("a", { href: "#/mode" }, `Everyone is in mode ${mode.mode}`),
      h("span", {}, "since ", ago(set.since), ": ", given(set.reason))] });
  }
  const ill = patients.filter((one) => one.state !== "PROBATION");
  for (const one of ill.slice(0, SHOWN)) {
    found.push({ key: one.agent_id, shown: () => [
      chip(one.state), h("a", { href: `#/agent/${encodeURIComponent(one.agent_id)}` }, given(one.agent_id)),
      h("span", {}, given(one.reason)), one.approval === "pending" && h("span", { class: "muted" }, "waits for approval"),
      h("span", { class: "muted" }, ago(one.since))] });
  }
  if (ill.length > SHOWN) {
    found.push({ key: "more", shown: () => h("a", { href: "#/healing" }, `and ${ill.length - SHOWN} more`) });
  }
  return found;
}

function event(one) {
  const { agent_id: agent, ...rest } = one.data ?? {};
  const told = Object.entries(rest).filter(([, v]) => ["string", "number"].includes(typeof v)).slice(0, 5);
  return h("li", {}, h("span", { class: "kind" }, one.kind),
    agent && h("a", { href: `#/agent/${encodeURIComponent(agent)}` }, given(agent)),
    h("span", { class: "muted" }, told.map(([k, v]) => [`${k} `, given(v), "  "])), h("span", { class: "muted" }));
}
