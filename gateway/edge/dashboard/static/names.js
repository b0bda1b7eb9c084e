// What people call the agents that others know by their ids. Names are asked for together, and kept for a while.

import { get, quoted } from "/dashboard/api.js";
import { given, h, say } from "/dashboard/dom.js";

const GATHER = 30; // milliseconds in which ids are gathered
const AT_ONCE = 100; // ids in one question
const FRESH = 60_000; // milliseconds
const KEPT = 1000;

const known = new Map(); // id -> {name, at}
let asked = new Map(); // id -> the texts that wait for its name

/** Note the names of agents that somebody has asked for anyway. */
export function learn(agents) {
  for (const one of agents) {
    known.delete(one.agent_id);
    known.set(one.agent_id, { name: one.name, at: Date.now() });
  }
  while (known.size > KEPT) known.delete(known.keys().next().value);
}

export const nameOf = (agentId) => known.get(agentId)?.name ?? agentId;

/** The agent's name, or its id until that is known. */
function named(agentId) {
  const text = given(nameOf(agentId), { title: agentId });
  const kept = known.get(agentId);
  if (kept && Date.now() - kept.at < FRESH) return text;
  if (!asked.size) setTimeout(ask, GATHER);
  asked.set(agentId, [...(asked.get(agentId) ?? []), text]);
  return text;
}

/** A link to an agent's page. */
export const agentLink = (agentId, props) => h("a", { href: `#/agent/${quoted(agentId)}`, ...props }, named(agentId));

async function ask() {
  const waiting = [...asked];
  asked = new Map();
  for (let i = 0; i < waiting.length; i += AT_ONCE) {
    const some = waiting.slice(i, i + AT_ONCE);
    try {
      const { items } = await get(`/agents?${new URLSearchParams(some.map(([agentId]) => ["agent_id", agentId]))}`);
      learn([...some.map(([agentId]) => ({ agent_id: agentId, name: null })), ...items]);
    } catch {
      return; // the id stays, and the next look asks again
    }
    for (const [agentId, texts] of some) for (const text of texts) say(text, nameOf(agentId));
  }
}
