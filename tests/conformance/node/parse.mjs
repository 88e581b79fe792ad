// Reads one server event a line and prints those that agents-js does not know or cannot parse.
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";

// The parser is not exported, so its file is named.
const entry = dirname(fileURLToPath(import.meta.resolve("@openai/agents-realtime")));
const { parseRealtimeEvent, realtimeServerEventSchema } = await import(
  join(entry, "openaiRealtimeEvents.mjs")
);

for await (const line of createInterface({ input: process.stdin })) {
  const { isGeneric } = parseRealtimeEvent({ data: line });
  if (isGeneric) {
    const { error } = realtimeServerEventSchema.safeParse(JSON.parse(line));
    console.log(JSON.stringify({ line, why: error?.issues }));
  }
}
