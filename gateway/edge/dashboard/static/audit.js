// The record of what was decided and done: searched, shown whole, and proved.

import { exportOf, get } from "/dashboard/api.js";
import { entries } from "/dashboard/entries.js";
import { fill, given, h, say } from "/dashboard/dom.js";
import { count, many, timeOf, when } from "/dashboard/format.js";
import { ask, attempt, facts, field, heading, part, values, verbatim } from "/dashboard/ui.js";

const PAGE = 50;
const MOST = 2000; // rows on the page

export async function show(main, context) {
  context.title("Audit");
  return new Audit(main, context);
}

class Audit {
  constructor(main, { query }) {
    this.rows = 0;
    this.cursor = null;
    const from = (name) => query.get(name) ?? "";
    this.form = h("form", { class: "filters", role: "search", "aria-label": "Audit record", onsubmit: (event) => {
      event.preventDefault();
      attempt(() => this.search());
    } },
      field({ name: "agent_id", label: "Agent", value: from("agent_id"), placeholder: "agt_…" }),
      field({ name: "action", label: "Action", value: from("action"), placeholder: "call:model" }),
      field({ name: "allowed", label: "Verdict", kind: "select", value: from("allowed"),
        options: [["", "Any"], ["true", "Allowed"], ["false", "Denied"]] }),
      field({ name: "source", label: "Source", value: from("source"), placeholder: "gateway, admin:root" }),
      field({ name: "start_time", label: "From", kind: "datetime-local", step: 1 }),
      field({ name: "end_time", label: "Until", kind: "datetime-local", step: 1 }),
      h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Search")));
    this.found = h("p", { class: "muted", role: "status" });
    this.table = entries("Entries", { open: (entry) => this.open(entry), none: "Nothing is on the record that fits." });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.next() }, "More");
    this.export = h("a", { class: "button", download: "audit.ndjson" }, "Export");
    this.verifies = h("button", { type: "button", onclick: () => this.verify() }, "Verify");
    this.verdict = h("div", { role: "status", class: "answer" });
    fill(main, heading("Audit"), part("Is the record whole?",
      h("p", {}, "Checks the chains of the machine that answers, byte by byte, against what was signed."),
      h("div", { class: "buttons" }, this.verifies, this.export), this.verdict),
    part("Entries", this.form, this.found, this.table.node, h("div", { class: "pager" }, this.more)));
  }

  wants() {
    return false; // what somebody reads stays where it is
  }

  async update() {
    if (!this.wanted) await this.search(); // again until there is an answer; later ones are for who presses
  }

  filter() {
    const found = values(this.form);
    for (const name of ["start_time", "end_time"]) if (found[name]) found[name] = new Date(found[name]).toISOString();
    return found;
  }

  async search() {
    const wanted = this.filter();
    this.export.href = exportOf(wanted);
    const page = await get("/audit", { ...wanted, limit: PAGE });
    this.wanted = wanted;
    this.table.show(page.items);
    this.rows = page.items.length;
    this.turned(page);
  }

  async next() {
    const page = await attempt(() => get("/audit", { ...this.wanted, limit: PAGE, cursor: this.cursor }));
    if (!page) return;
    this.table.add(page.items);
    this.rows += page.items.length;
    this.turned(page);
  }

  turned(page) {
    this.cursor = page.next_cursor;
    this.more.hidden = !this.cursor || this.rows >= MOST;
    say(this.found, `${many(this.rows, "entry", "entries")} as of ${timeOf(new Date())}${this.cursor ? ", and there are more" : ""}`
      + (this.rows >= MOST ? "; narrow the search, or export" : ""));
  }

  async verify() {
    this.verifies.disabled = true;
    fill(this.verdict, h("p", { class: "muted" }, "Checking…"));
    const told = await attempt(() => verified(() => this.verdict.isConnected));
    this.verifies.disabled = false;
    fill(this.verdict, told && verification(told));
  }

  open(entry) {
    const told = h("div", { role: "status" });
    const prove = h("button", { type: "button", onclick: async () => {
      const proof = await get(`/audit/proof/${entry.entry}`).catch((error) => error);
      fill(told, proof instanceof Error ? h("p", { class: "note" }, proof.message) : h("p", { class: "good" },
        `Proved: record ${proof.leaf_index} of ${proof.tree_size}, ${proof.path.length} hashes from the signed root.`));
    } }, "Prove");
    return ask({ title: "Entry", confirm: "Close", cancel: false, body: [
      facts([["Entry", h("code", {}, entry.entry)], ["Time", when(entry.time)], ["Kind", entry.kind]]),
      verbatim("The entry", JSON.stringify(entry, null, 2)), prove, told] });
  }
}

/** A large record takes longer to check than an answer may: asked again, the gateway tells what came of it. */
async function verified(wanted) {
  for (;;) {
    try {
      return await get("/audit/verify");
    } catch (error) {
      if (error.status !== 504 || !wanted()) throw error;
    }
  }
}

function verification(told) {
  const size = told.chains.reduce((sum, one) => sum + one.size, 0);
  const anchored = told.chains.reduce((sum, one) => sum + one.anchored, 0);
  const problems = [...told.chains.flatMap((one) => one.problems.map((text) => `${one.chain}: ${text}`)),
    ...told.missing.map((name) => `${name} is missing`), ...told.unreadable.map((name) => `${name} cannot be read`)];
  return [
    h("p", { class: told.valid ? "good" : "problem" }, told.valid
      ? `Valid: ${many(size, "entry", "entries")} in ${many(told.chains.length, "chain")}, ${count(anchored)} of them signed for.`
      : `Not valid. The first bad entry is ${told.first_bad ?? "not known"}.`),
    problems.length > 0 && h("ul", {}, problems.map((text) => h("li", {}, given(text)))),
  ];
}
