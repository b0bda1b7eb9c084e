// The operational mode: what is set, by whom, why and until when; and another one.

import { get, put, quoted } from "/dashboard/api.js";
import { fill, given, h } from "/dashboard/dom.js";
import { ago, ahead, when } from "/dashboard/format.js";
import { ask, attempt, field, heading, part, table, values } from "/dashboard/ui.js";

const TTLS = [["", "until changed"], ["900", "15 minutes"], ["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"]];
const START = "~start";
const COLUMNS = [["Scope"], ["Mode"], ["Reason", "wide"], ["By"], ["Since"], ["Ends"], [""]];

export async function show(main, context) {
  const { may, title, showMode } = context;
  title("Mode");
  const operator = may("operator");
  const now = h("p", { class: "note" });
  const set = table("Modes that are set", COLUMNS);
  const documents = table("Modes that policies have", [["Policy"], ["Modes, the start mode first", "wide"]]);
  const choice = field({ name: "mode", label: "Mode", kind: "select", required: true });
  const select = choice.querySelector("select");
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    const { mode, scope, reason, ttl_seconds: ttl } = values(form);
    change({ mode: mode === START ? null : mode, ...(scope && { scope }), reason, ...(ttl && { ttl_seconds: Number(ttl) }) });
  } },
    h("div", { class: "filters" }, choice,
      field({ name: "scope", label: "Scope", value: "everyone", pattern: "everyone|(agent|team|environment|policy):.+",
        hint: "everyone, agent:ID, team:NAME, environment:NAME or policy:NAME" }),
      field({ name: "ttl_seconds", label: "It stays", kind: "select", options: TTLS })),
    field({ name: "reason", label: "Reason", required: true, maxlength: 200, hint: "It is on the record, with your key's id." }),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Switch mode")));
  fill(main, heading("Mode"), now, part("Set now", set.node), operator && part("Switch", form),
    part("Policies with modes", documents.node));

  async function change(body) {
    const what = body.mode === null ? "Back to the start mode?" : `Switch ${body.scope ?? "everyone"} to ${body.mode}?`;
    const sure = await ask({ title: what, confirm: "Switch", text: "It counts from the next decision on, on every replica." });
    if (!sure) return;
    const done = await attempt(() => put("/mode", body), (told) => told.pending.length
      ? `Switched; ${told.pending.length} replicas have not confirmed yet.` : "Switched, on every replica.");
    if (done) form.elements.namedItem("reason").value = "";
    showMode();
    context.again();
  }

  const end = (one) => change({ mode: null, scope: one.scope, reason: `end of: ${one.reason}`.slice(0, 200) });
  return {
    wants: (kind) => kind === "mode" || kind === "admin.change",
    async update() {
      const found = await get("/mode");
      const names = Object.entries(found.policies);
      fill(now, found.mode ? ["Everyone is in mode ", h("strong", {}, given(found.mode)), "."]
        : "No mode is set for everyone: each policy is in its start mode.");
      now.className = found.mode ? "note" : "muted";
      set.show(found.items.map((one) => set.row([given(one.scope), h("strong", {}, given(one.mode ?? "start mode")),
        given(one.reason), given(one.by), ago(one.since),
        one.expires_at ? [ahead(one.expires_at), h("span", { class: "sub" }, when(one.expires_at))] : "when it is changed",
        operator && h("button", { type: "button", "aria-label": `End ${one.mode} of ${one.scope}`, onclick: () => end(one) }, "End")])),
      "No mode is set: every policy is in its start mode.");
      documents.show(names.map(([name, modes]) => documents.row([
        h("a", { href: `#/policies/${quoted(name)}` }, given(name)), given(modes.join(", "))])),
      "No policy has modes, so there is nothing to switch.");
      const all = [...new Set(names.flatMap(([, modes]) => modes))];
      if (select.dataset.modes !== all.join()) {
        select.dataset.modes = all.join();
        fill(select, all.map((mode) => h("option", { value: mode }, mode)), h("option", { value: START }, "the start mode"));
      }
    },
  };
}
