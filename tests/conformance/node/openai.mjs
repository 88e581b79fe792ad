// The official JavaScript SDK over wss: asks in writing, or with the base64 sound on standard input,
// and prints every event; of audio its size.
import { OpenAI, AzureOpenAI } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { once } from "node:events";
import { text } from "node:stream/consumers";

const { URL: base, KEY: key, FORM: form, SESSION: session } = process.env;
const model = "gpt-realtime";
const forms = {
  openai: () =>
    OpenAIRealtimeWS.create(new OpenAI({ baseURL: `${base}/v1`, apiKey: key }), { model }),
  "azure ga": () =>
    OpenAIRealtimeWS.create(new OpenAI({ baseURL: `${base}/openai/v1`, apiKey: key }), { model }),
  "azure ga with api-key": () =>
    OpenAIRealtimeWS.create(new OpenAI({ baseURL: `${base}/openai/v1`, apiKey: "unused" }), {
      model,
      options: { headers: { "api-key": key, Authorization: undefined } },
    }),
  "azure class": () =>
    OpenAIRealtimeWS.azure(
      new AzureOpenAI({ endpoint: base, apiKey: key, apiVersion: "2025-08-28", deployment: model }),
    ),
  transcription: () =>
    OpenAIRealtimeWS.create(new OpenAI({ baseURL: `${base}/v1`, apiKey: key }), {
      intent: "transcription",
    }),
  "azure transcription": () =>
    OpenAIRealtimeWS.create(new OpenAI({ baseURL: `${base}/openai/v1`, apiKey: key }), {
      intent: "transcription",
    }),
  "browser subprotocols": () =>
    OpenAIRealtimeWebSocket.create(new OpenAI({ baseURL: `${base}/v1`, apiKey: key }), { model }),
};

// Browsers have it built in; Node.js 20 does not.
globalThis.WebSocket ??= (await import("ws")).WebSocket;
const realtime = await forms[form]();
const say = (line) => console.log(JSON.stringify(line));
const come = (type) => new Promise((resolve) => realtime.once(type, resolve));

realtime.on("error", (error) => {
  say({ type: "error", message: error.message });
  process.exitCode = 1;
  realtime.close();
});
realtime.on("event", (event) =>
  say(
    event.type === "response.output_audio.delta"
      ? { type: event.type, bytes: Buffer.from(event.delta, "base64").length }
      : event,
  ),
);

await come("session.created");
realtime.send({ type: "session.update", session: JSON.parse(session) });
await come("session.updated");
const done = come(
  form.endsWith("transcription")
    ? "conversation.item.input_audio_transcription.completed"
    : "response.done",
);
const pcm = Buffer.from(await text(process.stdin), "base64");
if (pcm.length > 0) {
  for (let begin = 0; begin < pcm.length; begin += 4800) {
    const audio = pcm.subarray(begin, begin + 4800).toString("base64");
    realtime.send({ type: "input_audio_buffer.append", audio });
  }
} else {
  const content = [{ type: "input_text", text: "How are you?" }];
  realtime.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  realtime.send({ type: "response.create" });
}
await done;
const closed = "on" in realtime.socket
  ? once(realtime.socket, "close")
  : new Promise((resolve) => realtime.socket.addEventListener("close", resolve));
realtime.close();
await closed;
