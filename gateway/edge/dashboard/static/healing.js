// Agents that are treated or wait for it, what was tried, and what has helped so far.

import { get, post, quoted } from "/dashboard/api.js";
import { fill, given, h, keyed } from "/dashboard/dom.js";
import { ago, chip, many, percent, sigma, tinted, when, words } from "/dashboard/format.js";
import { canHeal, heal } from "/dashboard/heal.js";
import { incidentRow } from "/dashboard/incident.js";
import { agentLink } from "/dashboard/names.js";
import { announce, ask, attempt, heading, lines, nothing, part, table } from "/dashboard/ui.js";

const COLUMNS = [["Agent"], ["State"], ["Likely cause"], ["σ", "number"], ["Remedies"], ["Since"], [""]];
const OUTCOMES = { healed: "ALLOWED", failed: "DENIED", applied: "PROBATION" };

export async function show(main, context) {
  context.title("Healing");
  return new Healing(main, context);
}

class Healing {
  constructor(main, context) {
    this.again = () => context.again();
    this.may = context.may("operator");
    this.all = this.button("Heal all", () => this.healAll());
    this.allRejected = this.button("Heal all rejected", () => this.healRejected());
    this.patients = table("Agents that are treated or wait for it", COLUMNS);
    this.rejected = table("Agents whose healing a person has rejected", COLUMNS);
    this.incidents = h("ul", { class: "rows" });
    this.log = table("What was tried", [["Time"], ["Agent"], ["Remedy"], ["Outcome"]]);
    this.learned = table("What has helped", [["Cause"], ["Remedy"], ["Healed", "number"], ["Failed", "number"], ["Success", "number"]]);
    fill(main, heading("Healing"),
      part("Treated or waiting", this.patients.node, this.may && h("div", { class: "buttons" }, this.all)),
      part("Rejected", h("p", { class: "hint" }, "They stay in quarantine until somebody heals them."), this.rejected.node,
        this.may && h("div", { class: "buttons" }, this.allRejected)),
      part("Open incidents", this.incidents), part("Healing log", this.log.node), part("Learned patterns", this.learned.node));
  }

  button(text, doing) {
    return h("button", { type: "button", onclick: async () => {
      await doing();
      this.again();
    } }, text);
  }

  wants(kind) {
    return ["lifecycle", "healing", "feedback"].includes(kind) || /^(incident|approval)/.test(kind);
  }

  async update() {
    const [healing, patterns, open] = await Promise.all(
      [get("/healing", { limit: 50 }), get("/healing/patterns"), get("/incidents", { open: true, limit: 50 })]);
    const rejected = healing.agents.filter((one) => one.approval === "rejected" && canHeal(one));
    const others = healing.agents.filter((one) => !rejected.includes(one));
    this.ids = rejected.map((one) => one.agent_id);
    this.all.disabled = !others.some((one) => canHeal(one) && !one.held);
    this.allRejected.disabled = !rejected.length;
    this.show(this.patients, others, "Nobody is treated, and nobody waits for it.");
    this.show(this.rejected, rejected, "Nobody's healing was rejected.");
    lines(this.incidents, open.items.map((one) => incidentRow(one)));
    this.log.show(healing.items.slice(0, 100).map((one) => this.log.row([when(one.at), agentLink(one.agent_id),
      h("a", { href: `#/incident/${quoted(one.incident_id)}` }, given(words(one.action))), tinted(OUTCOMES[one.outcome] ?? "", one.outcome)])), "Nothing was tried yet.");
    this.learned.show(patterns.items.map((one) => this.learned.row([given(words(one.cause)), given(words(one.remedy)),
      one.healed, one.failed, percent(one.success_rate)])), "Nothing is known before the first treatment has ended.");
  }

  show(place, agents, none) {
    if (!agents.length) fill(place.body, nothing(COLUMNS, none));
    else keyed(place.body, agents, (one) => one.agent_id, (one) => place.row([[agentLink(one.agent_id), h("span", { class: "sub" })]]),
      (node, one) => this.patient(node, one));
  }

  patient(node, one) {
    const cells = node.children;
    fill(cells[0].querySelector(".sub"), given(words(one.reason)));
    fill(cells[1], chip(one.state), one.held && h("span", { class: "tag" }, "held"),
      one.approval === "pending" ? h("a", { class: "sub", href: "#/approvals" }, "waits for approval")
        : one.approval && h("span", { class: "sub" }, one.approval === "rejected" ? "rejected by a person" : one.approval));
    fill(cells[2], one.cause ? [given(words(one.cause)), h("span", { class: "sub" }, percent(one.confidence))] : "–");
    fill(cells[3], sigma(one.deviation));
    fill(cells[4], given(one.remedies.map(words).join(", ") || "–"));
    fill(cells[5], ago(one.since));
    const can = this.may && canHeal(one);
    if (can === Boolean(cells[6].firstChild)) return; // who is about to press it keeps it
    const link = cells[0].querySelector("a");
    link.id = `patient-${one.agent_id}`;
    const button = this.button("Heal now", () => heal(one.agent_id));
    button.setAttribute("aria-describedby", link.id);
    fill(cells[6], can && button);
  }

  async healAll() {
    const sure = await ask({ title: "Heal all?", confirm: "Heal all",
      text: "All agents in quarantine or out of remedies, but for those that somebody holds there or has rejected." });
    if (sure) await attempt(() => post("/heal-all"), ({ items }) =>
      `${items.filter((one) => one.healing).length} of ${items.length} are being healed.`);
  }

  async healRejected() {
    const ids = this.ids;
    const sure = await ask({ title: `Heal ${many(ids.length, "agent")}?`, confirm: "Heal all rejected",
      text: "A person has rejected their healing before." });
    if (!sure) return;
    let healed = 0;
    for (const agentId of ids) if (await attempt(() => post(`/agents/${quoted(agentId)}/heal`))) healed += 1;
    if (healed) announce(`${healed} of ${ids.length} are being healed.`);
  }
}
