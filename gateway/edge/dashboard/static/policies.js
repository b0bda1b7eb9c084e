// The documents in force; what they say about a call, and what another document would have said about recorded ones.

import { get, post, quoted } from "/dashboard/api.js";
import { difference } from "/dashboard/diff.js";
import { fill, given, h } from "/dashboard/dom.js";
import { verdict } from "/dashboard/entries.js";
import { count, many, tinted, when } from "/dashboard/format.js";
import { agentLink } from "/dashboard/names.js";
import { attempt, empty, facts, field, heading, part, table, values, verbatim } from "/dashboard/ui.js";

const SPANS = [["3600", "the last hour"], ["86400", "the last day"], ["604800", "the last week"], ["", "all that is kept"]];

export async function show(main, context) {
  context.title("Policies");
  return context.argument ? new Document(main, context.argument) : new Policies(main);
}

class Policies {
  constructor(main) {
    this.list = table("Policies", [["Name"], ["In force"], ["Version", "number"], ["From"], ["Changed"]]);
    fill(main, heading("Policies"), part("Documents", this.list.node), explain(), replay());
  }

  wants(kind) {
    return kind === "admin.change";
  }

  async update() {
    const { items } = await get("/policies");
    this.list.show(items.map((one) => this.list.row([h("a", { href: `#/policies/${quoted(one.name)}` }, given(one.name)), force(one),
      one.version, [one.source, one.where && h("span", { class: "sub", title: one.where }, one.where)],
      one.updated_at ? [when(one.updated_at), h("span", { class: "sub" }, "by ", given(one.updated_by))] : "–"])),
    "No document is in force: everything is allowed.");
  }
}

function force(one) {
  if (!one.in_force) return tinted("", "not in force");
  if (one.enforcement === "shadow") return tinted("SUSPECTED", "shadow", "It judges and records, and blocks nothing.");
  return tinted("ALLOWED", "enforced");
}

const textOf = (whole) => whole.text ?? JSON.stringify(whole.document, null, 2);

class Document {
  constructor(main, name) {
    this.name = name;
    this.force = h("span");
    this.head = h("div");
    this.text = verbatim("The document");
    this.versions = table("Versions", [["Version"], ["Made"], ["By"], [""]]);
    this.past = h("div", { "aria-live": "polite" });
    this.replay = h("div");
    fill(main, h("p", {}, h("a", { href: "#/policies" }, "← Policies")),
      h("div", { class: "title" }, h("h1", {}, given(name)), this.force),
      h("div", { class: "part" }, this.head, this.text), part("Versions", this.versions.node, this.past), explain(), this.replay);
  }

  wants(kind) {
    return kind === "admin.change";
  }

  async update() {
    const [whole, { items }] = await Promise.all([get(`/policies/${quoted(this.name)}`), get(`/policies/${quoted(this.name)}/versions`)]);
    const tag = `${whole.etag} ${whole.in_force}`;
    if (this.tag === tag) return; // what is being read or written stays
    this.tag = tag;
    this.now = whole;
    fill(this.force, force(whole));
    fill(this.head, facts([["Version", whole.version], ["From", given([whole.source, whole.where].filter(Boolean).join(": "))],
      ["Changed", whole.updated_at && when(whole.updated_at)], ["By", whole.updated_by && given(whole.updated_by)]]));
    fill(this.text, textOf(whole));
    this.versions.show(items.map((one) => this.versions.row([one.version, when(one.updated_at), given(one.updated_by),
      one.deleted ? "deleted" : one.version === whole.version && whole.source === "api" ? "shown above"
        : h("button", { type: "button", "aria-label": `Show version ${one.version}`, onclick: () => this.open(one.version) }, "Show")])),
    "It was not made over the API, so no versions are kept.");
    fill(this.past);
    fill(this.replay, replay(whole.document));
  }

  /** An earlier version, and what was changed since. */
  async open(version) {
    const earlier = await attempt(() => get(`/policies/${quoted(this.name)}`, { version }));
    if (!earlier) return;
    const lines = difference(textOf(earlier), textOf(this.now));
    const [gone, come] = ["-", "+"].map((sign) => lines.filter(([one]) => one === sign).length);
    fill(this.past, h("h3", {}, `Version ${version}, and what was changed since`),
      h("p", { class: "muted" }, gone || come ? `${many(gone, "line")} gone, ${many(come, "line")} new.` : "Nothing: it says the same."),
      verbatim(`Version ${version}`, lines.map(([sign, line]) => h("span", { "data-sign": sign }, `${sign} ${line}\n`)), { class: "lines" }));
    this.past.scrollIntoView({ block: "nearest" });
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
      field({ name: "agent_id", label: "Agent (or nobody)", placeholder: "agt_…" }),
      field({ name: "tool", label: "Tool", placeholder: "restart_service" }),
      field({ name: "action", label: "or action", placeholder: "restart:service" }),
      field({ name: "resource", label: "Resource" }), field({ name: "server", label: "MCP server" }),
      field({ name: "mode", label: "As if in mode" })),
    field({ name: "arguments", label: "Arguments (JSON)", kind: "area", rows: 3 }),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Explain")));
  return part("What would be decided about a call", form, told);
}

const RULES = [["Rule"], ["Effect"], ["Matched"], ["Why", "wide"]];

function explanation(answer) {
  const [matched, others] = [true, false].map((yes) => answer.looked_at.filter((one) => one.matched === yes));
  return [
    h("p", { class: "answer" }, answer.approval ? tinted("SUSPECTED", "needs approval") : verdict(answer.allowed),
      " ", given(answer.reason)),
    facts([["Rule", h("code", {}, answer.rule)], ["Policy", answer.policy && given(answer.policy)],
      ["Mode", answer.mode && given(answer.mode)], ["Action", answer.action && given(answer.action)],
      ["Resource", answer.resource && given(answer.resource)]]),
    answer.shadowed.map((one) => h("p", { class: "note" }, "A shadow rule would say: ", given(one.reason), " (", given(one.rule), ")")),
    matched.length ? lookedAt("Rules that matched", matched) : empty("No rule had anything to say."),
    others.length > 0 && h("details", {}, h("summary", {}, `${many(others.length, "rule")} that did not match`),
      lookedAt("Rules that did not match", others)),
  ];
}

function lookedAt(caption, rules) {
  const shown = table(caption, RULES);
  shown.show(rules.map((one) => shown.row([h("code", {}, one.rule), one.effect, one.matched ? h("strong", {}, "yes") : "no",
    given(one.why)])), "");
  return shown.node;
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
  const rows = table("What would change", [["Time"], ["Agent"], ["Call"], ["Before"], ["After"], ["Why", "wide"]]);
  rows.show(answer.items.map((one) => rows.row([when(one.time), agentLink(one.agent_id), given(one.tool ?? one.model ?? one.kind),
    one.before.said, one.undecided ? "unknown" : one.after.said, given(one.undecided ?? one.after.reason)])), "");
  return [
    h("p", { class: "answer" }, `${many(answer.judged, "call")} judged, ${count(answer.changed)} would change, ${count(answer.undecided)} cannot be known.`),
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
