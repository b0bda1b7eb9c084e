// Imported before a Node program (`node --import`): whatever it asks over HTTP, it asks with the agent key in AGENT_KEY.
import { subscribe } from "node:diagnostics_channel";

const value = `Bearer ${process.env.AGENT_KEY}`;
subscribe("undici:request:create", ({ request }) => request.addHeader("authorization", value));
subscribe("http.client.request.created", ({ request }) => request.setHeader("authorization", value));
