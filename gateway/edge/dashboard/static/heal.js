// Healing one agent, from whichever view somebody asks for it.

import { post, quoted } from "/dashboard/api.js";
import { attempt } from "/dashboard/ui.js";

const WAITING = new Set(["QUARANTINED", "EXHAUSTED"]);

export const canHeal = (one) => WAITING.has(one.state);

export const heal = (agentId) => attempt(() => post(`/agents/${quoted(agentId)}/heal`), (life) => `It is ${life.state}.`);
