// All agents: filtered, sorted, fifty at a time. Rows that are on the page stay where they are while somebody is at them.

import { all, get, quoted } from "/dashboard/api.js";
import { sparkline } from "/dashboard/charts.js";
import { fill, given, h, keyed, say } from "/dashboard/dom.js";
import { ago, BLOCKED, chip, count, sigma, STATES, usd } from "/dashboard/format.js";
import { field, heading, oneAtATime, table } from "/dashboard/ui.js";

const PAGE = 50;
const LINES = 24; // calls in a sparkline
const AT_ONCE = 3; // agents whose calls are asked for at the same time
const GATHER = 200; // milliseconds in which events are gathered
const KEPT = 200; // agents whose latest calls are remembered

const rank = Object.fromEntries(STATES.map((state, i) => [state, i]));
const name = (one) => one.name ?? one.agent_id;
const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const SORTS = {
  trouble: ["Trouble first", (a, b) => rank[a.state] - rank[b.state] || Math.abs(b.deviation ?? 0) - Math.abs(a.deviation ?? 0)],
  deviation: ["σ, highest first", (a, b) => Math.abs(b.deviation ?? 0) - Math.abs(a.deviation ?? 0)],
  seen: ["Seen last", (a, b) => text(b.last_seen, a.last_seen)],
  new: ["Newest", (a, b) => text(b.first_seen, a.first_seen)],
  requests: ["Requests", (a, b) => b.requests - a.requests],
  cost: ["Cost", (a, b) => b.cost_usd - a.cost_usd],
  name: ["Name", (a, b) => text(name(a).toLowerCase(), name(b).toLowerCase())],
};
const COLUMNS = [["Agent"], ["State"], ["σ", "number"], ["Model"], ["MCP servers"], ["Latency"], ["Requests", "number"],
  ["Cost", "number"], ["Seen"]];

export async function show(main, { live, query, title }) {
  title("Agents");
  return new Grid(main, live, query);
}

class Grid {
  constructor(main, live, query) {
    this.agents = new Map();
    this.page = 0;
    this.order = [];
    this.lines = new Map();
    this.drawn = new WeakMap();
    this.wanted = [];
    this.asking = new Set();
    this.changed = new Set();
    this.form = h("form", { class: "filters", role: "search", "aria-label": "Agents", onsubmit: (e) => e.preventDefault(),
                            oninput: () => this.again() },
      field({ name: "text", label: "Find", kind: "search", placeholder: "id, name, model, team, tool" }),
      field({ name: "state", label: "State", kind: "select", value: query.get("state") ?? "",
              options: [["", "Any"], ["blocked", "Blocked"], ...STATES.map((state) => [state, state])] }),
      field({ name: "sort", label: "Sort by", kind: "select", value: "trouble",
              options: Object.entries(SORTS).map(([key, [label]]) => [key, label]) }));
    this.shown = h("p", { class: "muted", role: "status" });
    this.grid = table("Agents", COLUMNS, { class: "agents" });
    this.back = h("button", { type: "button", onclick: () => this.turn(-1) }, "Previous");
    this.on = h("button", { type: "button", onclick: () => this.turn(1) }, "Next");
    this.where = h("span", { class: "muted" });
    this.pager = h("nav", { class: "pager", "aria-label": "Pages of agents" }, this.back, this.where, this.on);
    fill(main, heading("Agents", this.shown), this.form, this.grid.node, this.pager);
    this.unwatch = live.watch((kind, { data }) => {
      if (data?.agent_id && ["lifecycle", "finding", "healing"].includes(kind)) this.one(data.agent_id);
    });
    this.some = oneAtATime(() => this.fetchChanged());
  }

  wants() {
    return false; // it takes the agents that events are about one by one
  }

  leave() {
    this.unwatch();
    this.over = true;
  }

  async update() {
    const found = await all("/agents");
    this.agents = new Map(found.map((one) => [one.agent_id, one]));
    this.draw();
  }

  one(agentId) {
    if (!this.changed.size) setTimeout(() => this.some(), GATHER);
    this.changed.add(agentId);
  }

  async fetchChanged() {
    const ids = [...this.changed].slice(0, 20); // the rest come with the next look at all
    this.changed.clear();
    for (const agentId of ids) {
      if (this.over) return;
      try {
        this.agents.set(agentId, await get(`/agents/${quoted(agentId)}`));
      } catch (error) {
        if (error.status === 404) this.agents.delete(agentId); // otherwise the next look tells
      }
    }
    if (ids.length) this.draw();
  }

  again() {
    this.page = 0;
    this.draw(true);
  }

  turn(by) {
    this.page += by;
    this.draw(true);
    this.grid.node.scrollTop = 0;
    this.grid.node.scrollIntoView({ block: "nearest" });
  }

  draw(anew = false) {
    const { text: wanted, state, sort } = this.form.elements;
    const words = wanted.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...this.agents.values()].filter((one) => stateFits(one, state.value) && holds(one, words));
    const busy = this.grid.node.matches(":hover") || this.grid.node.contains(document.activeElement);
    found.sort(SORTS[sort.value][1]);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    this.page = Math.min(Math.max(0, this.page), pages - 1);
    let rows = found.slice(this.page * PAGE, (this.page + 1) * PAGE);
    if (busy && !anew) rows = asBefore(this.order, rows, found);
    this.order = rows.map((one) => one.agent_id);
    say(this.shown, `${count(found.length)} of ${count(this.agents.size)}`);
    say(this.where, `Page ${this.page + 1} of ${pages}`);
    this.pager.hidden = pages === 1;
    this.back.disabled = this.page === 0;
    this.on.disabled = this.page === pages - 1;
    keyed(this.grid.body, rows, (one) => one.agent_id, row, (node, one) => this.fill(node, one));
    this.draws();
  }

  fill(node, one) {
    const cells = node.children;
    const link = cells[0].querySelector("a");
    say(link.firstChild, name(one));
    const sub = [one.name && one.agent_id, one.owner_team, one.environment, one.client].filter(Boolean).join(" · ");
    say(cells[0].querySelector(".sub"), sub);
    if (node.dataset.state !== `${one.state}${one.throttled}${one.active}`) {
      node.dataset.state = `${one.state}${one.throttled}${one.active}`;
      fill(cells[1], chip(one.state), one.throttled && h("span", { class: "tag" }, "throttled"),
        !one.active && h("span", { class: "tag" }, "inactive"));
    }
    say(cells[2], sigma(one.deviation));
    cells[2].toggleAttribute("data-alarm", Math.abs(one.deviation ?? 0) >= 3);
    several(cells[3], one.models);
    several(cells[4], one.mcp_servers);
    say(cells[6], count(one.requests));
    say(cells[7], usd(one.cost_usd));
    fill(cells[8], ago(one.last_seen));
    this.line(cells[5], one.agent_id);
  }

  /** Numbers are remembered, not the drawing: that one holds the row it stands in, long after the row is gone. */
  line(cell, agentId) {
    const values = this.lines.get(agentId)?.values;
    if (!values || this.drawn.get(cell) === values) return;
    this.drawn.set(cell, values);
    fill(cell, sparkline(values, "Latency in ms"));
  }

  /** Ask for the calls of agents on this page that have made some since; what fails is asked for when next drawn. */
  draws() {
    const old = (agentId) => this.lines.get(agentId)?.requests !== this.agents.get(agentId)?.requests;
    this.wanted = this.order.filter((agentId) => old(agentId) && !this.asking.has(agentId));
    this.ask();
  }

  ask() {
    while (this.wanted.length && this.asking.size < AT_ONCE && !this.over) {
      const agentId = this.wanted.shift();
      this.asking.add(agentId);
      this.calls(agentId).finally(() => {
        this.asking.delete(agentId);
        this.ask();
      });
    }
  }

  async calls(agentId) {
    const requests = this.agents.get(agentId)?.requests;
    let items;
    try {
      ({ items } = await get(`/agents/${quoted(agentId)}/vitals`, { limit: LINES }));
    } catch {
      return; // the row says what is known of it without
    }
    this.lines.delete(agentId);
    this.lines.set(agentId, { requests, values: items.map((v) => v.latency_ms).reverse() });
    while (this.lines.size > KEPT) this.lines.delete(this.lines.keys().next().value);
    const place = this.grid.body.querySelector(`[data-key="${CSS.escape(agentId)}"]`);
    if (place) this.line(place.children[5], agentId);
  }
}

const stateFits = (one, state) => !state || (state === "blocked" ? BLOCKED.has(one.state) : one.state === state);

function holds(one, words) {
  if (!words.length) return true;
  const texts = [one.agent_id, one.name, one.owner_team, one.environment, one.client, ...one.models, ...one.tools,
    ...one.mcp_servers, ...one.providers].filter(Boolean).join(" ").toLowerCase();
  return words.every((word) => texts.includes(word));
}

/** The rows of before, as they are now, in their old order. */
function asBefore(order, rows, found) {
  const now = new Map(found.map((one) => [one.agent_id, one]));
  const kept = order.map((agentId) => now.get(agentId)).filter(Boolean);
  const there = new Set(order);
  return [...kept, ...rows.filter((one) => !there.has(one.agent_id))].slice(0, PAGE);
}

function row(one) {
  const cells = COLUMNS.map(([label, kind]) => h("td", { class: kind, "data-label": label }));
  cells[0].append(h("a", { href: `#/agent/${quoted(one.agent_id)}` }, given("")), h("span", { class: "sub" }));
  cells[5].append("…");
  return h("tr", {}, cells);
}

function several(cell, names) {
  const shown = names.slice(0, 2).join(", ") + (names.length > 2 ? ` +${names.length - 2}` : "");
  if (cell.title !== names.join(", ")) cell.title = names.join(", ").slice(0, 500);
  say(cell, shown || "–");
}
