// One incident: what was found, what it probably was, what was tried, and what a person says it was.

import { get, id, post } from "/dashboard/api.js";
import { fill, given, h } from "/dashboard/dom.js";
import { chip, sigma, when } from "/dashboard/format.js";
import { attempt, empty, facts, field, heading, part, table, values } from "/dashboard/ui.js";

const CAUSES = ["prompt_drift", "prompt_injection", "infinite_loop", "tool_instability", "memory_corruption",
  "cost_overrun", "external_cause", "unknown"];

/** An incident as a line of a list. */
export function incidentRow(one) {
  const cause = one.actual_cause ?? one.diagnoses[0]?.cause;
  return h("li", {}, chip(one.closed_at ? "CLOSED" : one.state),
    h("a", { href: `#/incident/${id(one.incident_id)}` }, cause ? given(cause.replaceAll("_", " ")) : given(one.reason)),
    h("span", { class: "muted" }, `${one.findings.length} findings · `,
      one.actions.length ? given(`${one.actions.at(-1).action}: ${one.actions.at(-1).outcome}`) : "nothing tried"),
    h("span", { class: "muted" }, when(one.opened_at)));
}

export async function show(main, context) {
  const { argument, may, title } = context;
  title("Incident");
  const head = h("div");
  const body = h("div");
  const choice = field({ name: "actual_cause", label: "What it really was", kind: "select",
    options: CAUSES.map((cause) => [cause, cause.replaceAll("_", " ")]) });
  const form = h("form", { class: "filters", onsubmit: async (event) => {
    event.preventDefault();
    await attempt(() => post("/feedback", { incident_id: argument, ...values(form) }), "Thank you: it is learned.");
    context.again();
  } }, choice, h("div", { class: "buttons" }, h("button", { type: "submit" }, "Say so")));
  fill(main, h("p", {}, h("a", { href: "#/healing" }, "← Healing")), heading("Incident"), head, body,
    may("operator") && part("Your word on it", form));
  return {
    wants: (kind, data) => data.incident_id === argument,
    async update() {
      const one = await get(`/incidents/${id(argument)}`);
      fill(head, h("div", { class: "part" }, facts([
        ["State", chip(one.closed_at ? "CLOSED" : one.state)],
        ["Agent", one.agent_id ? h("a", { href: `#/agent/${id(one.agent_id)}` }, given(one.agent_id)) : "many"],
        ["Why", given(one.reason)], ["Opened", when(one.opened_at)], ["Closed", one.closed_at && when(one.closed_at)],
        ["Treated by", one.trigger && given(one.trigger)], ["Approval", one.approval && given(one.approval)],
        ["A person says", one.actual_cause && given(one.actual_cause)]])));
      fill(body, findings(one), h("div", { class: "two" }, diagnoses(one), actions(one)));
    },
  };
}

function findings(one) {
  const rows = table("Findings", [["Time"], ["Type"], ["Metric"], ["σ", "number"], ["Model"], ["Request"]]);
  fill(rows.body, one.findings.map((f) => h("tr", {}, h("td", {}, when(f.at)),
    h("td", {}, given(f.type.replaceAll("_", " ")), f.hard && h("span", { class: "tag" }, "hard")), h("td", {}, given(f.metric)),
    h("td", { class: "number" }, sigma(f.deviation)), h("td", {}, given(f.model ?? "–")),
    h("td", {}, h("code", {}, f.request_id)))));
  return part("Findings", one.findings.length ? rows.node : empty("None: a person did it."));
}

const diagnoses = (one) => part("Diagnoses", one.diagnoses.length
  ? h("ol", {}, one.diagnoses.map((d) => h("li", {}, given(d.cause.replaceAll("_", " ")), ` ${Math.round(d.confidence * 100)} %`)))
  : empty("None."));

const actions = (one) => part("What was done", one.actions.length
  ? h("ol", { class: "timeline" }, one.actions.map((a) => h("li", {}, given(`${a.action}: ${a.outcome}`), " ",
      h("span", { class: "muted" }, when(a.at)))))
  : empty("Nothing yet."));
