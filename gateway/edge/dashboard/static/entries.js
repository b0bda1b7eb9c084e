// Lines of the audit record as a table.

import { given, h } from "/dashboard/dom.js";
import { tinted, when, words } from "/dashboard/format.js";
import { agentLink } from "/dashboard/names.js";
import { table } from "/dashboard/ui.js";

const COLUMNS = [["Time"], ["Agent or source"], ["Action"], ["Verdict"], ["Rule and reason", "wide"]];

/**
 * {node, show(items), add(items)}; `open(entry)` is called for an entry that somebody wants to see whole. Where all are
 * of one agent, `agent` is false, and what became of a call stands beside what was decided about it.
 */
export function entries(caption, { open, agent = true, none = "Nothing." } = {}) {
  const columns = COLUMNS.filter((_, i) => agent || i !== 1);
  const made = table(caption, columns, { class: "cards entries" });
  made.node.classList.add("tall");
  const rows = (items) => {
    const outcomes = agent ? new Map() : new Map(items.filter((one) => one.of).map((one) => [one.of, one]));
    const decided = new Set(items.map((one) => one.entry));
    return items.filter((one) => agent || !decided.has(one.of)).map((one) =>
      made.row(cells(one, outcomes.get(one.entry), open).filter((_, i) => agent || i !== 1)));
  };
  return {
    node: made.node,
    show(items) {
      made.show(rows(items), none);
    },
    add(items) {
      made.body.append(...rows(items));
    },
  };
}

export const verdict = (allowed) => (allowed ? tinted("ALLOWED", "allowed") : tinted("DENIED", "denied"));

/** How something ended, what somebody did, and what the gateway says of itself were not allowed then. */
const decided = (one) => !one.allowed || one.kind === "decision" || one.kind === "agent";
const WELL = new Set(["success", "done", "noted", "found"]);
const ELSE = { admin: "done", gateway: "noted", finding: "found" };

function cells(one, became, open) {
  const result = became?.result ?? one.result;
  const told = result === one.rule && !one.allowed ? null : result ?? ELSE[one.kind];
  const { rule, reason } = one.rule || !became ? one : became;
  const what = [one.resource, one.tool].filter(Boolean).join(" · ");
  return [
    open ? h("button", { type: "button", class: "link", title: one.entry, onclick: () => open(one) }, when(one.time)) : when(one.time),
    one.agent_id ? agentLink(one.agent_id) : given(one.source),
    [given(one.action), what && h("span", { class: "sub", title: what }, given(what))],
    [decided(one) && verdict(one.allowed), told && h("span", { class: "tag", "data-bad": !WELL.has(told) }, words(told))],
    [rule && h("code", {}, rule), reason && h("span", { class: "why" }, given(reason))],
  ];
}
