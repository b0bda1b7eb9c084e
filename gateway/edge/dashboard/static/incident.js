// One incident: what was found, what it probably was, what was tried, and what a person says it was.

import { get, post, quoted } from "/dashboard/api.js";
import { fill, given, h } from "/dashboard/dom.js";
import { ago, BLOCKED, chip, many, percent, sigma, when, words } from "/dashboard/format.js";
import { canHeal, heal } from "/dashboard/heal.js";
import { agentLink } from "/dashboard/names.js";
import { attempt, empty, facts, field, part, table, values } from "/dashboard/ui.js";

const CAUSES = ["prompt_drift", "prompt_injection", "infinite_loop", "tool_instability", "memory_corruption",
  "cost_overrun", "external_cause", "unknown"];
const SAID = { approve: "approved", reject: "rejected" };

/** What it most likely was, in words. */
export const causeOf = (one) => words(one.actual_cause ?? one.diagnoses[0]?.cause ?? "") || one.reason;

/** What was done last, in words. */
export function doneLast(one) {
  const last = one.actions.at(-1);
  if (last) return deed(last);
  return BLOCKED.has(one.state) ? "blocked; no remedy tried yet" : "nothing done yet";
}

/** An action and what became of it, such as `ask:heal` and `pending`, `reject` and `by root`. */
function deed({ action, outcome }) {
  const what = SAID[action] ?? words(action).replace("ask:", "asked to ");
  return outcome.startsWith("by ") ? `${what} ${outcome}` : `${what}: ${words(outcome)}`;
}

const found = (one) => (one.findings.length ? many(one.findings.length, "finding") : "by a person");

/** An incident as a line of a list; `agent`: whether it says whose it is. */
export function incidentRow(one, agent = true) {
  return h("li", {}, chip(one.closed_at ? "CLOSED" : one.state),
    h("a", { href: `#/incident/${quoted(one.incident_id)}` }, given(causeOf(one))),
    agent && (one.agent_id ? agentLink(one.agent_id) : h("span", {}, "many agents")),
    h("span", { class: "muted" }, `${found(one)} · `, given(doneLast(one))),
    h("span", { class: "muted" }, ago(one.opened_at)));
}

export async function show(main, context) {
  context.title("Incident");
  return new IncidentView(main, context);
}

class IncidentView {
  constructor(main, context) {
    const { argument, may } = context;
    this.again = () => context.again();
    this.incident = argument;
    this.title = context.title;
    this.may = may("operator");
    this.name = h("h1", { class: "reason" }, "Incident");
    this.state = h("span");
    this.facts = h("div");
    this.next = h("div", { class: "buttons" });
    this.body = h("div");
    this.choice = field({ name: "actual_cause", label: "What it really was", kind: "select",
      hint: "Diagnoses of such findings follow what people say.", options: CAUSES.map((cause) => [cause, words(cause)]) });
    const form = h("form", { class: "filters", onsubmit: (event) => {
      event.preventDefault();
      this.say(values(form));
    } }, this.choice, h("div", { class: "buttons" }, h("button", { type: "submit" }, "Say so")));
    fill(main, h("p", {}, h("a", { href: "#/healing" }, "← Healing")), h("div", { class: "title" }, this.name, this.state),
      h("div", { class: "part" }, this.facts, this.next), this.body, this.may && part("Your word on it", form));
  }

  wants(kind, data) {
    return data.incident_id === this.incident || (kind === "lifecycle" && data.agent_id === this.agent);
  }

  async say(given) {
    await attempt(() => post("/feedback", { incident_id: this.incident, ...given }), "Thank you: it is learned.");
    this.again();
  }

  async update() {
    const one = await get(`/incidents/${quoted(this.incident)}`);
    this.agent = one.agent_id;
    fill(this.name, given(causeOf(one)));
    this.title(`Incident: ${causeOf(one)}`);
    fill(this.state, chip(one.closed_at ? "CLOSED" : one.state));
    fill(this.facts, about(one));
    const told = JSON.stringify(one);
    if (this.told === told) return; // what somebody reads, or is about to press, stays
    this.told = told;
    this.offer(one);
    fill(this.body, findings(one), h("div", { class: "two" }, diagnoses(one), actions(one)));
    const likely = one.actual_cause ?? one.diagnoses[0]?.cause;
    if (likely && this.offered !== likely) this.choice.querySelector("select").value = this.offered = likely;
  }

  /** What can be pressed now. */
  offer(one) {
    const over = Boolean(one.closed_at) || !one.agent_id;
    this.next.hidden = over;
    fill(this.next, !over && [
      one.approval === "pending" && h("a", { class: "button primary", href: "#/approvals" }, "Decide on its healing"),
      this.may && canHeal(one) && h("button", { type: "button", onclick: () => this.heal(one.agent_id) }, "Heal now"),
      h("a", { class: "button", href: `#/agent/${quoted(one.agent_id)}` }, "See the agent")]);
  }

  async heal(agentId) {
    await heal(agentId);
    this.again();
  }
}

const about = (one) => facts([
  ["Agent", one.agent_id ? agentLink(one.agent_id) : "many"], ["Why", given(words(one.reason))],
  ["Since", [ago(one.opened_at), h("span", { class: "sub" }, when(one.opened_at))]],
  ["Over", one.closed_at && [ago(one.closed_at), h("span", { class: "sub" }, when(one.closed_at))]],
  ["What was done", given(doneLast(one))], ["Treatment begun by", one.trigger && given(words(one.trigger))],
  ["Approval", one.approval && given(one.approval)], ["A person says", one.actual_cause && given(words(one.actual_cause))],
  ["Id", h("code", {}, one.incident_id)]]);

function findings(one) {
  const rows = table("Findings", [["Time"], ["Type"], ["Metric"], ["σ", "number"], ["Model"], ["Request"]]);
  rows.show(one.findings.map((f) => rows.row([when(f.at),
    [given(words(f.type)), f.hard && h("span", { class: "tag", title: "Evidence by itself" }, "hard")], given(words(f.metric)),
    sigma(f.deviation), given(f.model ?? "–"), h("code", {}, f.request_id)])), "None: a person did it.");
  return part("Findings", rows.node);
}

const diagnoses = (one) => part("Diagnoses", one.diagnoses.length
  ? h("ol", { class: "shares" }, one.diagnoses.map((d) => h("li", {}, given(words(d.cause)), h("span", { class: "number" }, percent(d.confidence)),
      h("meter", { min: 0, max: 1, value: String(d.confidence), "aria-label": `${words(d.cause)}: confidence` }))))
  : empty("None."));

const actions = (one) => part("What was done", one.actions.length
  ? h("ol", { class: "timeline" }, one.actions.map((a) => h("li", {}, given(deed(a)), " ",
      h("span", { class: "muted" }, when(a.at)))))
  : empty("Nothing yet."));
