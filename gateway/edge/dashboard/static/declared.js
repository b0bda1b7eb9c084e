// What an agent has declared to do, and the tools of MCP servers that it may use as they are pinned.

import { drop, get, post, quoted } from "/dashboard/api.js";
import { fill, given, h } from "/dashboard/dom.js";
import { ahead, many, tinted, words } from "/dashboard/format.js";
import { ask, attempt, empty, lines, verbatim } from "/dashboard/ui.js";

const SERVERS = 5; // that one look asks about
const PINNED = { pinned: "ALLOWED", new: "SUSPECTED", changed: "DENIED", seen: "DENIED" };
const MEANS = {
  pinned: "As it was approved, or first seen.", new: "Used, but nobody has approved it.",
  changed: "Held until somebody approves what it says now.", seen: "It cannot be pinned, so it is held.",
};

export class Declared {
  constructor(agentId, { may, again }) {
    this.agent = agentId;
    this.may = may;
    this.again = again;
    this.intents = h("ul", { class: "rows" });
    this.tools = h("div");
    this.node = h("div", {}, h("h3", {}, "Open intents"), this.intents, this.tools);
  }

  async update(servers) {
    const [{ items }, ...pins] = await Promise.all([get("/intents", { agent_id: this.agent, limit: 20 }),
      ...servers.slice(0, SERVERS).map((server) => get("/tools", { server, limit: 200 }))]);
    const told = JSON.stringify([items, pins]);
    if (told === this.told) return; // who is about to press a button keeps it
    this.told = told;
    const open = items.filter((one) => one.status === "active");
    lines(this.intents, open.map((one) => this.intent(one)));
    fill(this.tools, pins.map(({ items: tools }, i) => this.server(servers[i], tools)));
  }

  intent(one) {
    return h("li", {}, h("span", { class: "what" }, given(one.goal), h("span", { class: "sub" }, one.steps.map((step, i) => [i > 0 && ", ",
      given(step.tool), ` ${step.used} of ${step.max_uses} used`]))),
    h("span", { class: "muted" }, "ends ", ahead(one.expires_at)),
    this.may("operator") && h("button", { type: "button", "aria-label": `Revoke ${one.intent_id}`, onclick: () => this.revoke(one) }, "Revoke"));
  }

  async revoke(one) {
    const sure = await ask({ title: "Revoke this intent?", danger: true, confirm: "Revoke",
      text: "No replica takes its token from then on, nor any that was narrowed from it." });
    if (sure && await attempt(() => drop(`/intents/${quoted(one.intent_id)}`), "Revoked.")) this.again();
  }

  server(server, tools) {
    const pinned = tools.filter((one) => one.state === "pinned").length;
    const others = tools.filter((one) => one.state !== "pinned");
    return [h("h3", {}, "Tools of ", given(server)),
      tools.length ? h("p", { class: "muted" }, `${many(pinned, "tool")} pinned, ${others.length} to look at.`) : empty("None were seen yet."),
      others.length > 0 && h("ul", { class: "rows" }, others.map((one) => this.tool(one)))];
  }

  tool(one) {
    const changed = one.changes.map((change) => words(change.member)).join(", ");
    return h("li", {}, tinted(PINNED[one.state], one.state, MEANS[one.state]),
      h("span", { class: "what" }, given(one.tool), h("span", { class: "sub" },
        given([changed && `changed: ${changed}`, ...one.findings.map(words), one.problem].filter(Boolean).join(" · ") || MEANS[one.state]))),
      this.may("operator") && one.seen_definition && one.state !== "seen" && h("button", { type: "button",
        "aria-label": `Look at ${one.tool}`, onclick: () => this.approve(one) }, "Look"));
  }

  async approve(one) {
    const sure = await ask({ title: "Use this tool as it is now?", confirm: "Approve",
      text: "This is what the server lists now; from then on it may be used so.",
      body: verbatim("The definition", JSON.stringify(one.seen, null, 2)) });
    if (sure && await attempt(() => post(`/tools/${quoted(one.server)}/${quoted(one.tool)}/approve`, { definition: one.seen_definition }),
      "Approved, on every replica.")) this.again();
  }
}
