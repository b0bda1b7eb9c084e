// Agents that are treated or wait for it, what was tried, and what has helped so far.

import { get, id, post } from "/dashboard/api.js";
import { fill, given, h, keyed } from "/dashboard/dom.js";
import { ago, chip, percent, sigma, when } from "/dashboard/format.js";
import { incidentRow } from "/dashboard/incident.js";
import { ask, attempt, heading, part, row, table } from "/dashboard/ui.js";

const COLUMNS = [["Agent"], ["State"], ["Likely cause"], ["σ", "number"], ["Remedies"], ["Since"], [""]];
const SAID = { pending: "waits for approval", rejected: "rejected by a person", approved: "approved" };

export async function show(main, context) {
  const { may, title } = context;
  title("Healing");
  const operator = may("operator");
  const healAll = operator && h("button", { type: "button", onclick: async () => {
    const sure = await ask({ title: "Heal all?", confirm: "Heal all",
      text: "All agents in quarantine or out of remedies, but for those that somebody holds there or has rejected." });
    if (sure) await attempt(() => post("/heal-all"), ({ items }) =>
      `${items.filter((one) => one.healing).length} of ${items.length} are being healed.`);
    if (sure) context.again();
  } }, "Heal all");
  const patients = table("Agents that are treated or wait for it", COLUMNS, { class: "cards" });
  const incidents = h("ul", { class: "rows" });
  const log = table("What was tried", [["Time"], ["Agent"], ["Remedy"], ["Outcome"]]);
  const learned = table("What has helped", [["Cause"], ["Remedy"], ["Healed", "number"], ["Failed", "number"], ["Success", "number"]]);
  fill(main, heading("Healing", healAll), part("Agents", patients.node), part("Open incidents", incidents),
    h("div", { class: "two" }, part("Healing log", log.node), part("Learned patterns", learned.node)));

  const heal = (one) => attempt(() => post(`/agents/${id(one.agent_id)}/heal`), (life) => `${life.agent_id} is ${life.state}.`)
    .then(() => context.again());
  const nothing = (body, columns) => fill(body, h("tr", {}, h("td", { colspan: columns, class: "muted" }, "Nothing.")));
  return {
    wants: (kind) => ["lifecycle", "healing", "feedback"].includes(kind) || /^(incident|approval)/.test(kind),
    async update() {
      const [healing, patterns, open] = await Promise.all(
        [get("/healing", { limit: 50 }), get("/healing/patterns"), get("/incidents", { open: true, limit: 50 })]);
      if (healAll) healAll.disabled = !healing.agents.some((one) => ["QUARANTINED", "EXHAUSTED"].includes(one.state));
      if (!healing.agents.length) nothing(patients.body, 7);
      else keyed(patients.body, healing.agents, (one) => one.agent_id, patientRow, (node, one) => patient(node, one, operator && heal));
      fill(incidents, open.items.length ? open.items.map(incidentRow) : h("li", { class: "empty" }, "None."));
      if (!healing.items.length) nothing(log.body, 4);
      else fill(log.body, healing.items.slice(0, 100).map(treatment));
      if (!patterns.items.length) nothing(learned.body, 5);
      else fill(learned.body, patterns.items.map(pattern));
    },
  };
}

function patientRow(one) {
  return row(COLUMNS, [[h("a", { href: `#/agent/${id(one.agent_id)}` }, given(one.agent_id)), h("span", { class: "sub" })]]);
}

function patient(node, one, heal) {
  const cells = node.children;
  fill(cells[0].querySelector(".sub"), given(one.reason));
  fill(cells[1], chip(one.state), one.held && h("span", { class: "tag" }, "held"),
    one.approval && h("span", { class: "sub" }, one.approval === "pending"
      ? h("a", { href: "#/approvals" }, SAID.pending) : SAID[one.approval]));
  fill(cells[2], one.cause ? [given(one.cause.replaceAll("_", " ")), h("span", { class: "sub" }, percent(one.confidence))] : "–");
  fill(cells[3], sigma(one.deviation));
  fill(cells[4], given(one.remedies.join(", ") || "–"));
  fill(cells[5], ago(one.since));
  const can = Boolean(heal) && ["QUARANTINED", "EXHAUSTED"].includes(one.state);
  if (can !== Boolean(cells[6].firstChild)) {
    fill(cells[6], can && h("button", { type: "button", "aria-label": `Heal now ${one.agent_id}`, onclick: () => heal(one) }, "Heal now"));
  }
}

const treatment = (one) => h("tr", {}, h("td", {}, when(one.at)),
  h("td", {}, h("a", { href: `#/agent/${id(one.agent_id)}` }, given(one.agent_id))),
  h("td", {}, h("a", { href: `#/incident/${id(one.incident_id)}` }, given(one.action))), h("td", {}, given(one.outcome)));

const pattern = (one) => h("tr", {}, h("td", {}, given(one.cause.replaceAll("_", " "))), h("td", {}, given(one.remedy)),
  h("td", { class: "number" }, one.healed), h("td", { class: "number" }, one.failed),
  h("td", { class: "number" }, percent(one.success_rate)));
