// Drives the stub models with OpenAI's and Anthropic's SDKs for JavaScript, and prints what they made of the answers
// as one JSON object. Arguments: the gateway's root, a credential, a question.

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [root, apiKey, question] = process.argv.slice(2);
const options = { apiKey, maxRetries: 0, timeout: 20_000 };
const openai = new OpenAI({ ...options, baseURL: `${root}/v1` });
const anthropic = new Anthropic({ ...options, baseURL: root });

const messages = [{ role: "user", content: question }];
const parameters = {
  type: "object",
  properties: { city: { type: "string", enum: ["Bern", "Basel"] }, days: { type: "integer", minimum: 2 } },
  required: ["city", "days"],
  additionalProperties: false,
};
const sunny = "sunny, 21 degrees";

async function chatStream() {
  const asked = { model: "stub-echo", messages, stream: true, stream_options: { include_usage: true } };
  let text = "";
  let usage = null;
  for await (const chunk of await openai.chat.completions.create(asked)) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  return { text, usage: usage !== null };
}

async function runTools(stream) {
  const ran = [];
  const get_weather = (args) => {
    ran.push(args);
    return sunny;
  };
  const definition = { name: "get_weather", parse: JSON.parse, function: get_weather, parameters };
  const asked = { model: "stub-tool", messages, stream, tools: [{ type: "function", function: definition }] };
  return { ran, text: await openai.chat.completions.runTools(asked).finalContent() };
}

async function responsesStream() {
  const tools = [{ type: "function", name: "get_weather", parameters, strict: false }];
  const stream = openai.responses.stream({ model: "stub-tool", input: question, tools });
  let pieces = "";
  for await (const event of stream) {
    if (event.type === "response.function_call_arguments.delta") pieces += event.delta;
  }
  const final = await stream.finalResponse();
  return { pieces, calls: final.output.map((item) => [item.type, item.name, item.arguments]), status: final.status };
}

async function messagesStream() {
  const tools = [{ name: "get_weather", input_schema: parameters }];
  const stream = anthropic.messages.stream({ model: "stub-tool", max_tokens: 100, messages, tools });
  const final = await stream.finalMessage();
  return { calls: final.content.map((block) => [block.type, block.name, block.input]), stop: final.stop_reason };
}

async function refused() {
  try {
    await openai.chat.completions.create({ model: "stub-echo", messages: {} });
  } catch (error) {
    return { class: error.constructor.name, status: error.status, code: error.code };
  }
}

const seen = {
  chatStream: await chatStream(),
  runTools: [await runTools(false), await runTools(true)],
  responsesStream: await responsesStream(),
  messagesStream: await messagesStream(),
  models: (await openai.models.list()).data.map((model) => model.id),
  refused: await refused(),
};
console.log(JSON.stringify(seen));
