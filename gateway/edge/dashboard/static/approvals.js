// What waits for a person, decided one by one or together, and what was decided lately.

import { get, post, quoted } from "/dashboard/api.js";
import { fill, given, h, keyed, say } from "/dashboard/dom.js";
import { ago, ahead, count, sigma, tinted, when, words } from "/dashboard/format.js";
import { agentLink } from "/dashboard/names.js";
import { ask, attempt, heading, part, table } from "/dashboard/ui.js";

const SHOWN = 200;
const VERBS = { approve: ["Approve", "approved", "primary"], reject: ["Reject", "rejected", "danger line"] };

export async function show(main, context) {
  context.title("Approvals");
  return new Approvals(main, context);
}

class Approvals {
  constructor(main, context) {
    const { may, pending } = context;
    this.again = () => context.again();
    this.may = may("operator");
    this.pending = pending;
    this.chosen = new Set();
    this.items = [];
    this.shown = h("p", { class: "muted" });
    this.every = h("input", { type: "checkbox", id: "every", onchange: () => this.chooseAll() });
    this.many = Object.entries(VERBS).map(([verb, [text, , kind]]) =>
      h("button", { type: "button", class: kind, disabled: true, onclick: () => this.decide([...this.chosen], verb) },
        `${text} selected`));
    this.bar = h("div", { class: "bar" }, h("div", { class: "check" }, this.every, h("label", { for: "every" }, "Select all")),
      this.many);
    this.list = h("div");
    this.none = h("p", { class: "empty" }, "Nothing waits for a person.");
    this.past = table("Decided lately", [["Asked"], ["Agent"], ["What"], ["Decision"], ["By"], ["Reason"]]);
    fill(main, heading("Approvals", this.shown), this.may && this.bar, this.none, this.list, part("Decided lately", this.past.node));
  }

  wants(kind) {
    return kind.startsWith("approval.") || kind === "lifecycle";
  }

  async update() {
    const [waiting, past] = await Promise.all([get("/approvals", { status: "pending", limit: SHOWN }),
      get("/approvals", { limit: SHOWN })]);
    this.items = waiting.items;
    const there = new Set(this.items.map((one) => one.approval_id));
    for (const one of this.chosen) if (!there.has(one)) this.chosen.delete(one);
    this.none.hidden = this.items.length > 0;
    this.bar.hidden = this.items.length === 0;
    say(this.shown, `${count(this.items.length)}${waiting.next_cursor ? " or more" : ""} pending`);
    this.pending(this.items.length);
    keyed(this.list, this.items, (one) => one.approval_id, (one) => this.card(one), (node, one) =>
      fill(node.querySelector(".times"), "asked ", ago(one.created_at), " · ends ", ahead(one.expires_at)));
    this.mark();
    const decided = past.items.filter((one) => one.status !== "pending").slice(0, 50);
    this.past.show(decided.map((one) => this.past.row(decision(one))), "Nothing was decided within a day.");
  }

  card(one) {
    const title = `${one.approval_id}-title`;
    const box = h("input", { type: "checkbox", "aria-labelledby": title, onchange: () => {
      if (box.checked) this.chosen.add(one.approval_id);
      else this.chosen.delete(one.approval_id);
      this.mark();
    } });
    const args = one.arguments === null ? null
      : one.truncated ? `${one.arguments}…` : JSON.stringify(one.arguments, null, 2);
    return h("article", { class: "approval", "aria-labelledby": title },
      this.may ? box : h("span"),
      h("div", {},
        h("h2", { id: title }, { healing: "Heal with ", tool_call: "Call ", intent: "Intent ", tool_definition: "Use tool " }[one.kind] ?? "",
          given(one.tool)),
        h("p", {}, "for ", agentLink(one.agent_id),
          Boolean(one.deviation) && ` · ${sigma(one.deviation)}`, " · rule ", h("code", {}, one.rule)),
        one.reason && h("p", { class: "reason" }, given(words(one.reason))),
        args === null ? h("p", { class: "muted" }, "Arguments are not shown.") : h("details", { open: args.length < 400 },
          h("summary", {}, "Arguments"), h("pre", {}, args)),
        h("p", { class: "muted times" }),
        this.may && h("div", { class: "buttons" }, Object.entries(VERBS).map(([verb, [text, , kind]]) =>
          h("button", { type: "button", class: kind, "aria-describedby": title,
                        onclick: () => this.decide([one.approval_id], verb) }, text)))));
  }

  chooseAll() {
    this.chosen = new Set(this.every.checked ? this.items.map((one) => one.approval_id) : []);
    this.mark();
  }

  mark() {
    for (const node of this.list.children) {
      const box = node.querySelector("input");
      if (box) box.checked = this.chosen.has(node.dataset.key);
    }
    this.every.checked = this.items.length > 0 && this.chosen.size === this.items.length;
    this.every.indeterminate = this.chosen.size > 0 && !this.every.checked;
    for (const [i, [text]] of Object.values(VERBS).entries()) {
      this.many[i].disabled = !this.chosen.size;
      say(this.many[i], this.chosen.size ? `${text} selected (${this.chosen.size})` : `${text} selected`);
    }
  }

  async decide(ids, verb) {
    const [text, done] = VERBS[verb];
    const one = ids.length === 1;
    const said = await ask({ title: one ? `${text} this?` : `${text} ${ids.length}?`, confirm: text, danger: verb === "reject",
      fields: [{ name: "reason", label: "Reason (may be left out)", maxlength: 200 }] });
    if (!said) return;
    if (one) await attempt(() => post(`/approvals/${quoted(ids[0])}/${verb}`, said), `It is ${done}.`);
    else {
      await attempt(() => post(`/approvals/${verb}-all`, { ids, ...said }), ({ items }) => {
        const changed = items.filter((item) => item.changed).length;
        return changed === items.length ? `${changed} are ${done}.`
          : `${changed} are ${done}; ${items.length - changed} were decided or over before.`;
      });
    }
    this.chosen.clear();
    await this.again();
  }
}

const STATES = { approved: "ALLOWED", rejected: "DENIED" };

const decision = (one) => [
  when(one.created_at), agentLink(one.agent_id), [given(words(one.kind)), h("span", { class: "sub" }, given(one.tool))],
  [tinted(STATES[one.status] ?? "", one.status),
    one.kind === "healing" && one.status === "rejected" && h("a", { class: "sub", href: "#/healing" }, "heal it after all")],
  given(one.decided_by ?? "–"), given(one.decision_reason || "–")];
