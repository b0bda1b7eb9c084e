// Lines of the audit record as a table.

import { fill, given, h } from "/dashboard/dom.js";
import { when } from "/dashboard/format.js";
import { table } from "/dashboard/ui.js";

const COLUMNS = [["Time"], ["Agent or source"], ["Action"], ["Verdict"], ["Rule and reason"]];

/**
 * {node, show(items), add(items)}; `open(entry)` is called for an entry that somebody wants to see whole. Where all are
 * of one agent, `agent` is false, and what became of a call stands beside what was decided about it.
 */
export function entries(caption, { open, agent = true } = {}) {
  const columns = COLUMNS.filter((_, i) => agent || i !== 1);
  const { node, body } = table(caption, columns, { class: "cards" });
  node.classList.add("tall");
  const rows = (items) => {
    const outcomes = agent ? new Map() : new Map(items.filter((one) => one.of).map((one) => [one.of, one]));
    const decided = new Set(items.map((one) => one.entry));
    return items.filter((one) => agent || !decided.has(one.of)).map((one) => {
      const cells = row(one, outcomes.get(one.entry), open).filter((_, i) => agent || i !== 1);
      cells.forEach((cell, i) => cell.setAttribute("data-label", columns[i][0]));
      return h("tr", {}, cells);
    });
  };
  return {
    node,
    show(items) {
      fill(body, items.length ? rows(items) : h("tr", {}, h("td", { colspan: columns.length, class: "muted" }, "Nothing.")));
    },
    add(items) {
      body.append(...rows(items));
    },
  };
}

export const verdict = (allowed) =>
  h("span", { class: "chip", "data-state": allowed ? "ALLOWED" : "DENIED" }, allowed ? "allowed" : "denied");

function row(one, became, open) {
  const outcome = one.kind === "outcome";
  return [
    h("td", { title: one.entry }, open ? h("button", { type: "button", class: "quiet", onclick: () => open(one) }, when(one.time))
      : when(one.time)),
    h("td", {}, one.agent_id ? h("a", { href: `#/agent/${encodeURIComponent(one.agent_id)}` }, given(one.agent_id))
      : given(one.source)),
    h("td", {}, given(one.action), h("span", { class: "sub" }, given([one.resource, one.tool].filter(Boolean).join(" · ")))),
    h("td", {}, outcome ? h("span", { class: "tag" }, one.result ?? "outcome")
      : [verdict(one.allowed), became && h("span", { class: "tag" }, became.result ?? "")]),
    h("td", {}, one.rule && h("code", {}, one.rule), one.reason && h("span", { class: "sub", title: one.reason }, one.reason)),
  ];
}
