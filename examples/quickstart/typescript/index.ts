// Asks one question in writing and is answered aloud: the flow of the public quickstart with an API
// key. Set AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_OPENAI_DEPLOYMENT_NAME and
// NODE_EXTRA_CA_CERTS; `antiphon serve` prints them.
import OpenAI from 'openai';
import { OpenAIRealtimeError } from 'openai/realtime/internal-base';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import type {
  RealtimeServerEvent,
  RealtimeSessionCreateRequest,
} from 'openai/resources/realtime/realtime';

type Of<T extends RealtimeServerEvent['type']> = Extract<RealtimeServerEvent, { type: T }>;

const session: RealtimeSessionCreateRequest = {
  type: 'realtime',
  instructions: 'You are a helpful assistant. You respond by voice and text.',
  output_modalities: ['audio'],
  audio: {
    input: {
      transcription: { model: 'whisper-1' },
      format: { type: 'audio/pcm', rate: 24000 },
      turn_detection: {
        type: 'server_vad',
        threshold: 0.5,
        prefix_padding_ms: 300,
        silence_duration_ms: 200,
        create_response: true,
      },
    },
    output: { voice: 'alloy', format: { type: 'audio/pcm', rate: 24000 } },
  },
};

async function main(): Promise<void> {
  const endpoint = process.env.AZURE_OPENAI_ENDPOINT ?? 'https://127.0.0.1:8443';
  const apiKey = process.env.AZURE_OPENAI_API_KEY ?? 'any-key-works';
  const model = process.env.AZURE_OPENAI_DEPLOYMENT_NAME ?? 'gpt-realtime';
  const client = new OpenAI({ baseURL: endpoint.replace(/\/$/, '') + '/openai/v1', apiKey });

  // The SDK names the key as a Bearer token; Azure clients name it in this header as well.
  const realtime = await OpenAIRealtimeWS.create(client, {
    model,
    options: { headers: { 'api-key': apiKey } },
  });
  realtime.on('error', (error: OpenAIRealtimeError) => {
    console.error(`Received an error event: ${error.message}`);
    throw error;
  });
  realtime.on('response.output_audio_transcript.delta', (event) => {
    console.log(`Transcript delta: ${event.delta}`);
  });
  realtime.on('response.output_audio.delta', (event) => {
    console.log(`Audio delta length: ${Buffer.from(event.delta, 'base64').length} bytes`);
  });

  const created = await coming(realtime, 'session.created');
  console.log(`Session created: ${created.session.type}`);

  realtime.send({ type: 'session.update', session });
  await coming(realtime, 'session.updated');

  realtime.send({
    type: 'conversation.item.create',
    item: {
      type: 'message',
      role: 'user',
      content: [{ type: 'input_text', text: 'Please assist the user.' }],
    },
  });
  realtime.send({ type: 'response.create' });

  const { response } = await coming(realtime, 'response.done');
  const item = response.output?.[0];
  if (item?.type === 'message' && item.role === 'assistant') {
    console.log(`The final response is: ${item.content[0].transcript}`);
  }
  realtime.close();
}

function coming<T extends RealtimeServerEvent['type']>(
  realtime: OpenAIRealtimeWS,
  type: T,
): Promise<Of<T>> {
  return new Promise((resolve) => {
    realtime.on('event', (event) => {
      if (event.type === type) {
        resolve(event as Of<T>);
      }
    });
  });
}

await main();
