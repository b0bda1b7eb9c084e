// One agent: what is wrong with it, since when, what was done, and what can be done now.

import { drop, get, post, quoted } from "/dashboard/api.js";
import { Declared } from "/dashboard/declared.js";
import { fill, given, h, say } from "/dashboard/dom.js";
import { entries } from "/dashboard/entries.js";
import { ago, BLOCKED, chip, count, MEANING, sigma, usd, when, words } from "/dashboard/format.js";
import { canHeal, heal } from "/dashboard/heal.js";
import { incidentRow } from "/dashboard/incident.js";
import { learn } from "/dashboard/names.js";
import { ask, attempt, empty, facts, lines, part, table } from "/dashboard/ui.js";
import { Vitals } from "/dashboard/vitals.js";

const CALLS = 100;
const ENTRIES = 40; // decisions and their outcomes; the audit record has all
const NEEDS_REASON = { name: "reason", label: "Reason", required: true, maxlength: 200 };

export async function show(main, context) {
  context.title("Agent");
  return new AgentView(main, context);
}

/** What was wrong with it; the last move's own cause would only say "drained" of an agent in quarantine. */
const why = (life, incident) => (life.state !== "HEALTHY" && incident?.reason) || life.history.at(-1).cause;

class AgentView {
  constructor(main, context) {
    const { argument, may, title } = context;
    this.again = () => context.again();
    this.agent = argument;
    this.path = `/agents/${quoted(argument)}`;
    this.may = may;
    this.title = title;
    this.name = h("h1", {}, given(argument));
    this.state = h("span", {});
    this.meaning = h("p", { class: "muted" });
    this.actions = h("div", { class: "buttons" });
    this.facts = h("div");
    this.vitals = new Vitals(this.again);
    this.moves = h("ol", { class: "timeline" });
    this.incidents = h("ul", { class: "rows" });
    this.calls = entries("Recent calls and what was decided", { agent: false, none: "No call is on the record." });
    this.declared = new Declared(argument, { may, again: this.again });
    this.evidence = h("div");
    this.keys = h("div");
    this.policy = h("div");
    fill(main,
      h("p", {}, h("a", { href: "#/agents" }, "← Agents")),
      h("div", { class: "title" }, this.name, this.state), this.meaning,
      h("div", { class: "part" }, this.facts, this.actions),
      part("Vitals", this.vitals.node),
      h("div", { class: "two" }, part("Lifecycle", this.moves), part("Incidents", this.incidents)),
      part("Recent calls", this.calls.node,
        h("p", {}, h("a", { href: `#/audit?agent_id=${quoted(argument)}` }, "All of it in the audit record"))),
      h("div", { class: "two" }, h("div", {}, part("Who it is", this.evidence, this.keys), part("Declared and pinned", this.declared.node)),
        part("Policy in effect", this.policy)));
  }

  wants(kind, data) {
    return data.agent_id === this.agent || kind === "mode";
  }

  async update() {
    const [agent, life, baseline, vitals, incidents, audit] = await Promise.all([
      get(this.path), get(`/lifecycle/${quoted(this.agent)}`), get(`${this.path}/baseline`),
      get(`${this.path}/vitals`, { limit: CALLS }), get("/incidents", { agent_id: this.agent, limit: 20 }),
      get("/audit", { agent_id: this.agent, limit: ENTRIES }),
    ]);
    learn([agent]);
    this.head(agent, life, incidents.items.find((one) => one.closed_at === null));
    this.vitals.draw(baseline, vitals.items.reverse());
    fill(this.moves, life.history.length ? [...life.history].reverse().map(move)
      : h("li", {}, chip(life.state), " since ", ago(life.since)));
    lines(this.incidents, incidents.items.map((one) => incidentRow(one, false)));
    this.calls.show(audit.items.filter((one) => ["decision", "outcome", "agent"].includes(one.kind)));
    fill(this.evidence, evidence(agent));
    await Promise.all([this.showPolicy(), this.may("admin") && this.showKeys(agent), this.declared.update(agent.mcp_servers)]);
  }

  head(agent, life, incident) {
    const shown = agent.name ?? agent.agent_id;
    this.title(shown);
    say(this.name.firstChild, shown);
    if (this.shown !== agent.state) {
      this.shown = agent.state;
      fill(this.state, chip(agent.state));
      say(this.meaning, MEANING[agent.state]);
    }
    fill(this.facts, facts([
      ["In this state since", [ago(life.since), h("span", { class: "sub" }, when(life.since))]],
      ["Because", life.history.length > 0 && given(words(why(life, incident)))],
      ["Deviation", sigma(agent.deviation)],
      ["Throttled", agent.throttled && "one request at a time"],
      ["Treated with", agent.remedies.length > 0 && given(agent.remedies.map(words).join(", "))],
      ["Id", h("code", {}, agent.agent_id)],
      ["Team", agent.owner_team && given(agent.owner_team)],
      ["Environment", agent.environment && given(agent.environment)],
      ["Models", given(agent.models.join(", "))],
      ["MCP servers", agent.mcp_servers.length > 0 && given(agent.mcp_servers.join(", "))],
      ["Tools", agent.tools.length > 0 && given(agent.tools.slice(0, 12).join(", ") + (agent.tools.length > 12 ? ", …" : ""))],
      ["Requests", count(agent.requests)],
      ["Tokens in / out", `${count(agent.input_tokens)} / ${count(agent.output_tokens)}`],
      ["Cost", usd(agent.cost_usd)],
      ["First seen", ago(agent.first_seen)],
      ["Last seen", ago(agent.last_seen)],
    ]));
    this.buttons(agent);
  }

  buttons(agent) {
    const wanted = `${agent.state} ${agent.throttled} ${agent.remedies.length > 0}`;
    if (this.offered === wanted) return; // who is about to press one keeps it
    this.offered = wanted;
    if (!this.may("operator")) return fill(this.actions, h("span", { class: "muted" }, "Your role can only look."));
    const treated = agent.throttled || agent.remedies.length > 0;
    fill(this.actions,
      canHeal(agent) && [
        this.button("Heal now", "primary", () => heal(this.agent)), this.button("Release", "", () => this.release())],
      !BLOCKED.has(agent.state) && this.button("Quarantine", "danger", () => this.quarantine()),
      treated && this.button("End remedies", "", () => this.endRemedies()),
      this.button("Accept as normal", "", () => this.accept()));
  }

  button(text, kind, doing) {
    return h("button", { type: "button", class: kind, onclick: async () => {
      if (await doing()) this.again();
    } }, text);
  }

  async quarantine() {
    const given = await ask({ title: "Quarantine this agent?", danger: true, confirm: "Quarantine",
      text: "Nothing of it passes from then on, until somebody releases or heals it.",
      fields: [NEEDS_REASON, { name: "drain", label: "Seconds that running streams may go on", kind: "number", value: "0",
        min: 0, max: 3600 }] });
    return given && attempt(
      () => post(`/quarantine/${quoted(this.agent)}`, { reason: given.reason, drain_seconds: Number(given.drain ?? 0) }),
      (told) => told.pending.length ? `Quarantined; ${told.pending.length} replicas have not confirmed.` : "Quarantined.");
  }

  async release() {
    const given = await ask({ title: "Release this agent?", confirm: "Release", fields: [NEEDS_REASON],
      text: "It is let through again, on probation, without a remedy." });
    return given && attempt(() => drop(`/quarantine/${quoted(this.agent)}`, given), "Released, on probation.");
  }

  async endRemedies() {
    const sure = await ask({ title: "End its remedies?", confirm: "End remedies",
      text: "A throttle too. What is found anew may bring them back." });
    return sure && attempt(() => drop(`/healing/${quoted(this.agent)}`), "Its remedies have ended.");
  }

  async accept() {
    const sure = await ask({ title: "Is this its new normal?", confirm: "Accept as normal",
      text: "What it does from now on is learned as usual; what it was before counts no more." });
    return sure && attempt(() => post(`${this.path}/baseline/accept`), (told) =>
      told.accepted ? "Accepted: it is learned anew." : "It will be done when the agent is next watched.");
  }

  async showPolicy() {
    const policy = await get(`${this.path}/policy`, { effective: true });
    const tools = (title, names) => names.length > 0 && [h("h3", {}, title), h("p", {}, given(names.join(", ")))];
    fill(this.policy,
      facts([["Mode", Object.entries(policy.modes).map(([name, mode]) => h("div", {}, given(name), ": ", given(mode)))],
        ["Own document", policy.version ? h("a", { href: `#/policies/${quoted(policy.policy)}` }, given(policy.policy)) : "none"]]),
      tools("Allowed tools", policy.allowed_tools), tools("After approval", policy.approval_tools),
      tools("Blocked tools", policy.blocked_tools), tools("Its own allow list", policy.allow),
      tools("Its own deny list", policy.deny),
      policy.limits.length > 0 && [h("h3", {}, "Limits"), h("ul", {}, policy.limits.map((one) =>
        h("li", {}, given(words(one.limit)), `: ${one.limit.startsWith("usd") ? usd(one.most) : count(one.most)} (`, given(one.policy), ")")))],
      policy.warnings.map((text) => h("p", { class: "note" }, text)));
  }

  async showKeys(agent) {
    if (!agent.verified) return fill(this.keys);
    const { items } = await get(`${this.path}/keys`);
    const told = JSON.stringify(items);
    if (told === this.told) return; // who is about to press a button keeps it
    this.told = told;
    const rows = table("Keys", [["Key"], ["Made"], ["Ends"], [""]]);
    rows.show(items.map((key) => rows.row([h("code", {}, key.key_id), when(key.created_at), key.expires_at ? when(key.expires_at) : "never",
      h("button", { type: "button", "aria-label": `Revoke ${key.key_id}`, onclick: () => this.revoke(key) }, "Revoke")])), "");
    fill(this.keys, h("h3", {}, "Keys"), items.length ? rows.node : empty("It has no key."),
      h("button", { type: "button", onclick: () => this.makeKey() }, "Make a key"));
  }

  async revoke(key) {
    const sure = await ask({ title: "Revoke this key?", danger: true, confirm: "Revoke",
      text: `${key.key_id} is refused from then on, and its open streams are cut.` });
    if (sure && await attempt(() => drop(`${this.path}/keys/${quoted(key.key_id)}`), "Revoked.")) this.again();
  }

  async makeKey() {
    const made = await attempt(() => post(`${this.path}/keys`, {}));
    if (!made) return;
    await ask({ title: "The new key", text: "It is shown this one time. Copy it to where the agent reads it.", confirm: "Done", cancel: false,
      fields: [{ name: "key", label: "Key", value: made.api_key, readonly: true }] });
    this.again();
  }
}

const move = (one) => h("li", {}, chip(one.state), " ", when(one.at),
  h("div", { class: "muted" }, given(words(one.cause)), " · by ", given(one.by)));

function evidence(agent) {
  return [
    facts([["Proved by a key", agent.verified ? "yes" : "no: likeness only"], ["Client", agent.client && given(agent.client)],
      ["Address", agent.address && given(agent.address)], ["Credential", agent.credential && given(agent.credential)],
      ["Merged into", agent.merged_into && given(agent.merged_into)]]),
    agent.evidence.length > 0 && [h("h3", {}, "Evidence"), h("ul", {}, agent.evidence.map((one) =>
      h("li", {}, given(words(one.kind)), ` ${Math.round(one.score * 100)} %`, one.detail && [" · ", given(one.detail)])))],
  ];
}
