// agents-js over a WebSocket: one scenario, printed as one JSON object. Base64 sound is read from
// standard input.
import { hostedMcpTool } from "@openai/agents-core";
import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { text } from "node:stream/consumers";
import { z } from "zod";

const { URL: base, KEY: apiKey, SCENARIO: scenario, CONFIG: config, MCP_URL: mcpUrl } = process.env;
const pcm = Buffer.from(await text(process.stdin), "base64");
const asked = [];
const weather = tool({
  name: "get_weather",
  description: "Weather of a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    asked.push(city);
    return "sunny";
  },
});
const remote = () =>
  hostedMcpTool({
    serverLabel: "docs",
    serverUrl: mcpUrl,
    headers: { Authorization: "Bearer agents-token" },
    allowedTools: { toolNames: ["get-weather"] },
    requireApproval: scenario === "mcp" ? "never" : { always: { toolNames: ["get-weather"] } },
  });
const tools = [scenario.startsWith("mcp") ? remote() : weather];
const agent = new RealtimeAgent({ name: "Assistant", instructions: "Be brief.", tools });
const model = scenario === "interrupted" ? "slow" : "gpt-realtime";
const url = `${base}/v1/realtime?model=${model}`;
const session = new RealtimeSession(agent, {
  transport: "websocket",
  config: JSON.parse(config),
});

const seen = { errors: [], events: [], audioBytes: 0, interrupted: 0, asked: [] };
session.on("error", (error) => seen.errors.push(String(error.error?.message ?? JSON.stringify(error))));
session.on("audio", (event) => (seen.audioBytes += event.data.byteLength));
session.on("audio_interrupted", () => (seen.interrupted += 1));
session.transport.on("*", (event) => seen.events.push(event.type));

function come(type, count = 1) {
  return new Promise((resolve) => {
    session.transport.on("*", (event) => {
      if (event.type === type && --count === 0) resolve(event);
    });
  });
}

function speak() {
  for (let begin = 0; begin < pcm.length; begin += 4800) {
    const chunk = pcm.subarray(begin, begin + 4800);
    session.sendAudio(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.length));
  }
}

session.on("tool_approval_requested", (_context, _agent, request) => {
  seen.asked.push(request.approvalItem.rawItem.name);
  if (scenario === "mcp_approved") session.approve(request.approvalItem);
  else session.reject(request.approvalItem);
});

const imported = scenario.startsWith("mcp") ? come("mcp_list_tools.completed") : null;
const updated = come("session.updated");
await session.connect({ apiKey, url });
await updated;
if (scenario === "written") {
  const done = come("response.done");
  session.sendMessage("How are you?");
  await done;
} else if (scenario === "tool") {
  const answered = come("response.done", 2);
  session.sendMessage("What is the weather in Paris?");
  await answered;
} else if (imported) {
  await imported;
  const answered = come("response.done", 2);
  session.sendMessage("What is the weather in Paris?");
  seen.answer = (await answered).response.output;
  seen.available = session.availableMcpTools.map((each) => each.name);
} else if (scenario === "spoken") {
  const answered = come("response.done", 2);
  speak();
  await answered;
} else if (scenario === "interrupted") {
  const begun = come("response.output_audio.delta");
  session.sendMessage("Speak for a long time.");
  await begun;
  const [truncated, done] = [come("conversation.item.truncated"), come("response.done")];
  speak();
  seen.status = (await done).response.status;
  await truncated;
}
// The confirmations of what the last events set off are still to come.
const settled = come("session.updated");
session.transport.sendEvent({ type: "session.update", session: { type: "realtime" } });
await settled;
seen.history = session.history;
seen.asked.push(...asked);
session.close();
console.log(JSON.stringify(seen));
