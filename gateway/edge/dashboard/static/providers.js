// Where requests go, how that goes now and went today, and which trouble is not the agents' own.

import { get, quoted } from "/dashboard/api.js";
import { fill, given, h } from "/dashboard/dom.js";
import { ago, count, duration, inUnit, many, percent, tinted, usd, when } from "/dashboard/format.js";
import { heading, lines, part, table } from "/dashboard/ui.js";

const TROUBLED = 0.05; // share of failures from which one is told as trouble
const FAILING = 0.2; // and from which a person should look, as of the alert; of at least so many calls:
const FEW = 5;
const WAITS = { probing: "one call is tried", ramping: "a part of the calls passes" };

export async function show(main, { title }) {
  title("Providers");
  const trouble = h("ul", { class: "rows" });
  const list = table("Providers", [["Provider"], ["Health", "wide"], ["Last 5 minutes"], ["Median latency", "number"], ["Today"], ["Models"]]);
  const past = h("ul", { class: "rows" });
  fill(main, heading("Providers"), part("External causes now", trouble), part("Providers", list.node),
    part("External incidents lately", past));
  return {
    wants: (kind) => kind.startsWith("incident") || kind === "immune.alert" || kind === "admin.change",
    async update() {
      const today = new Date().toISOString().slice(0, 10);
      const [providers, usage, stats, incidents] = await Promise.all([get("/providers"),
        get("/usage", { by: "provider", since: today }), get("/stats"), get("/incidents", { limit: 200 })]);
      lines(trouble, stats.external.map((one) => h("li", {},
        tinted("DRAINING", "EXTERNAL"), given(`${one.provider} · ${one.model}`),
        h("span", { class: "muted" }, "since ", ago(one.since)))), "None is known: nobody's trouble is put down to a provider.");
      const used = new Map(usage.items.map((one) => [one.name, one]));
      list.show(providers.items.map((one) => list.row(provider(one, used.get(one.name), stats.external))), "There is none.");
      const outside = incidents.items.filter((one) => one.agent_id === null).slice(0, 10);
      lines(past, outside.map((one) => h("li", {},
        h("a", { href: `#/incident/${quoted(one.incident_id)}` }, given(one.reason)), when(one.opened_at),
        h("span", { class: "muted" }, one.closed_at ? ["over since ", when(one.closed_at)] : "not over"))));
    },
  };
}

/** [state of the chip, a word, what it means]: the worst that is known. */
function condition(one, external) {
  const { health } = one;
  const open = openOf(health);
  if (open) return ["DENIED", `${many(open, "model")} not asked`, "It failed repeatedly and is given time to recover."];
  if (external.some((other) => other.provider === one.name)) return ["DENIED", "troubled", "Many agents suffer at once."];
  if (health?.circuits.length) return ["PROBATION", "recovering", "It gets its load back step by step."];
  if (!health?.calls) return ["", "not asked lately", "No call within five minutes."];
  if (health.failed >= health.calls * TROUBLED) return ["SUSPECTED", "errors", "It fails more often than one call in twenty."];
  if (health.limited >= health.calls * TROUBLED) return ["SUSPECTED", "limits us", "It asks for patience (429)."];
  return ["ALLOWED", "well", "It answers."];
}

/** How many models of it are not asked any more. */
const openOf = (health) => health?.circuits.filter((circuit) => circuit.state === "open").length ?? 0;

/** Whether a person should look at it. */
export const failing = ({ health }) =>
  openOf(health) > 0 || (health?.calls >= FEW && health.failed >= health.calls * FAILING);

/** What of it fails, in words. */
export const failure = ({ health }) => [`${count(health.failed)} of ${many(health.calls, "call")} failed within five minutes`,
  openOf(health) > 0 && `, ${many(openOf(health), "model")} not asked until it had time to recover`];

const circuitOf = (one) => h("span", { class: "sub" }, given(one.model ?? "any model"), ": ",
  one.state === "open" ? `tried again in ${duration(one.seconds)}` : WAITS[one.state]);

const lately = (health) => [many(health.calls, "call"), h("span", { class: "sub" },
  `${count(health.failed)} failed (${percent(health.failed / (health.calls || 1))})`, health.limited > 0 && `, ${count(health.limited)} limited`)];

function provider(one, used, external) {
  const { health } = one;
  const [state, told, means] = condition(one, external);
  return [
    [given(one.name), h("span", { class: "sub", title: one.url }, given(one.url || one.dialect))],
    [tinted(state, told, means), health?.circuits.slice(0, 3).map(circuitOf)],
    health ? lately(health) : "–",
    [inUnit(health?.latency_ms, "ms"), health?.first_byte_ms != null && h("span", { class: "sub" }, `first token ${inUnit(health.first_byte_ms, "ms")}`)],
    used ? [many(used.requests, "call"), h("span", { class: "sub" },
      `${count(used.errors)} failed or refused · ${count(used.tokens)} tokens · ${usd(used.cost_usd)}`)] : "–",
    [given(one.models.join(", ") || "any other"), h("span", { class: "sub" }, one.has_key ? "with its own key" : "with the caller's key")],
  ];
}
