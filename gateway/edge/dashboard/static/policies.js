// The documents in force; what they say about a call, and what another document would have said about recorded ones.

import { get, id, post } from "/dashboard/api.js";
import { fill, given, h } from "/dashboard/dom.js";
import { count, when } from "/dashboard/format.js";
import { attempt, empty, facts, field, heading, part, table, values } from "/dashboard/ui.js";
import { verdict } from "/dashboard/entries.js";

const SPANS = [["3600", "the last hour"], ["86400", "the last day"], ["604800", "the last week"], ["", "all that is kept"]];

export async function show(main, context) {
  context.title("Policies");
  return context.argument ? new Document(main, context.argument) : new Policies(main);
}

class Policies {
  constructor(main) {
    this.list = table("Policies", [["Name"], ["Version", "number"], ["From"], ["In force"], ["Changed"]]);
    fill(main, heading("Policies"), part("Documents", this.list.node), explain(), replay());
  }

  wants(kind) {
    return kind === "admin.change";
  }

  async update() {
    const { items } = await get("/policies");
    fill(this.list.body, items.map((one) => h("tr", {},
      h("td", {}, h("a", { href: `#/policies/${id(one.name)}` }, given(one.name))), h("td", { class: "number" }, one.version),
      h("td", {}, one.source, h("span", { class: "sub" }, one.where ?? "")),
      h("td", {}, one.in_force ? one.enforcement : "no"),
      h("td", {}, one.updated_at ? [when(one.updated_at), h("span", { class: "sub" }, one.updated_by)] : "–"))));
  }
}

class Document {
  constructor(main, name) {
    this.name = name;
    this.head = h("div");
    this.text = h("pre", { tabindex: "0", role: "region", "aria-label": "The document" });
    this.versions = table("Versions", [["Version", "number"], ["Made"], ["By"], [""]]);
    this.past = h("div");
    this.replay = h("div");
    fill(main, h("p", {}, h("a", { href: "#/policies" }, "← Policies")), h("div", { class: "title" }, h("h1", {}, given(name))),
      h("div", { class: "part" }, this.head, this.text), part("Versions", this.versions.node), this.replay);
  }

  wants(kind) {
    return kind === "admin.change";
  }

  async update() {
    const [whole, { items }] = await Promise.all([get(`/policies/${id(this.name)}`), get(`/policies/${id(this.name)}/versions`)]);
    if (this.tag === whole.etag) return; // what is being read or written stays
    this.tag = whole.etag;
    fill(this.head, facts([["Version", whole.version], ["From", given([whole.source, whole.where].filter(Boolean).join(": "))],
      ["In force", whole.in_force ? "yes" : "no"], ["Enforcement", whole.enforcement],
      ["Changed", whole.updated_at && when(whole.updated_at)], ["By", whole.updated_by && given(whole.updated_by)]]));
    fill(this.text, whole.text ?? JSON.stringify(whole.document, null, 2));
    fill(this.versions.body, items.length ? items.map((one) => h("tr", {}, h("td", { class: "number" }, one.version),
      h("td", {}, when(one.updated_at)), h("td", {}, given(one.updated_by)), h("td", {}, one.deleted && "deleted")))
      : h("tr", {}, h("td", { colspan: 4, class: "muted" }, "It was not made over the API, so no versions are kept.")));
    fill(this.replay, replay(whole.document));
  }
}

function explain() {
  const told = h("div", { "aria-live": "polite" });
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    const { arguments: text, ...asked } = values(form);
    const answer = await attempt(async () => post("/policies/explain", { ...asked, ...(text && { arguments: parsed(text) }) }));
    if (answer) fill(told, explanation(answer));
  } },
    h("div", { class: "filters" },
      field({ name: "agent_id", label: "Agent", placeholder: "agt_… (nobody in particular)" }),
      field({ name: "tool", label: "Tool", placeholder: "restart_service" }),
      field({ name: "action", label: "or action", placeholder: "restart:service" }),
      field({ name: "resource", label: "Resource" }), field({ name: "server", label: "MCP server" }),
      field({ name: "mode", label: "As if in mode" })),
    field({ name: "arguments", label: "Arguments (JSON)", kind: "area", rows: 3 }),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Explain")));
  return part("What would be decided about a call", form, told);
}

function explanation(answer) {
  const rules = table("Rules that were looked at", [["Rule"], ["Effect"], ["Matched"], ["Why"]]);
  fill(rules.body, answer.looked_at.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.rule)), h("td", {}, one.effect),
    h("td", {}, one.matched ? h("strong", {}, "yes") : "no"), h("td", {}, given(one.why)))));
  return [
    h("p", {}, answer.approval ? h("span", { class: "chip", "data-state": "SUSPECTED" }, "needs approval") : verdict(answer.allowed),
      " ", given(answer.reason)),
    facts([["Rule", h("code", {}, answer.rule)], ["Policy", answer.policy && given(answer.policy)],
      ["Mode", answer.mode && given(answer.mode)], ["Action", given(answer.action)], ["Resource", given(answer.resource)]]),
    answer.shadowed.map((one) => h("p", { class: "note" }, "A shadow rule would say: ", given(one.reason), " (", given(one.rule), ")")),
    answer.looked_at.length ? rules.node : empty("No rule had anything to say."),
  ];
}

function replay(document) {
  const told = h("div", { "aria-live": "polite" });
  const form = h("form", { onsubmit: async (event) => {
    event.preventDefault();
    const { document: text, span } = values(form);
    const since = span && new Date(Date.now() - Number(span) * 1000).toISOString();
    fill(told, empty("Judging…"));
    const answer = await attempt(async () => post("/policies/replay", { document: parsed(text), ...(since && { since }) }));
    fill(told, answer && differences(answer));
  } },
    field({ name: "document", label: "Candidate (JSON), in the place of the document of its name", kind: "area", rows: 10, required: true,
      value: document ? JSON.stringify(document, null, 2) : '{\n  "name": "ops",\n  "deny": ["delete:*"]\n}' }),
    field({ name: "span", label: "Against the calls of", kind: "select", value: "86400", options: SPANS }),
    h("div", { class: "buttons" }, h("button", { type: "submit" }, "Replay")));
  return part("What a change would have done", form, told);
}

function differences(answer) {
  const rows = table("What would change", [["Time"], ["Agent"], ["Call"], ["Before"], ["After"], ["Why"]]);
  fill(rows.body, answer.items.map((one) => h("tr", {}, h("td", {}, when(one.time)),
    h("td", {}, h("a", { href: `#/agent/${id(one.agent_id)}` }, given(one.agent_id))), h("td", {}, given(one.tool ?? one.model ?? one.kind)),
    h("td", {}, one.before.said), h("td", {}, one.undecided ? "unknown" : one.after.said),
    h("td", {}, given(one.undecided ?? one.after.reason)))));
  return [
    h("p", {}, `${count(answer.judged)} judged, ${count(answer.changed)} would change, ${count(answer.undecided)} cannot be known.`),
    answer.items.length > 0 && rows.node,
  ];
}

/** JSON that somebody wrote; text that is none is sent as it is, and the gateway says what is wrong with it. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
