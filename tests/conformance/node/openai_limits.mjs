// The official JavaScript SDK where there is no seat for one session more: it is told 429, waits and
// tries again by itself. Prints a line for each attempt that failed, and the first event it gets.
import { OpenAI } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const { URL: base, KEY: key } = process.env;
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: key });
const say = (line) => console.log(JSON.stringify(line));

const realtime = await OpenAIRealtimeWS.create(client, {
  model: "gpt-realtime",
  reconnect: true,
  reconnectInitialDelay: 200,
  maxReconnectAttempts: 20,
});
realtime.on("reconnecting", (event) => say({ type: "reconnecting", attempt: event.attempt }));
// It tells of each attempt that fails here too, and goes on.
realtime.on("error", (error) => say({ type: "error", message: error.message }));
realtime.on("session.created", (event) => {
  say({ type: event.type });
  realtime.close();
});
