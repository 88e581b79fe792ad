// Asks one question in writing and is answered aloud: the flow of the public quickstart with an API
// key. Set AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_OPENAI_DEPLOYMENT_NAME and
// NODE_EXTRA_CA_CERTS; `antiphon serve` prints them.
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const endpoint = process.env.AZURE_OPENAI_ENDPOINT;
const apiKey = process.env.AZURE_OPENAI_API_KEY;
const model = process.env.AZURE_OPENAI_DEPLOYMENT_NAME ?? 'gpt-realtime';

const pcm = { type: 'audio/pcm', rate: 24000 };
const session = {
  type: 'realtime',
  instructions: 'You are a helpful assistant. You respond by voice and text.',
  output_modalities: ['audio'],
  audio: {
    input: {
      transcription: { model: 'whisper-1' },
      format: pcm,
      turn_detection: {
        type: 'server_vad',
        threshold: 0.5,
        prefix_padding_ms: 300,
        silence_duration_ms: 200,
        create_response: true,
      },
    },
    output: { voice: 'alloy', format: pcm },
  },
};

const client = new OpenAI({ baseURL: endpoint.replace(/\/$/, '') + '/openai/v1', apiKey });

// The SDK names the key as a Bearer token; Azure clients name it in this header as well.
const realtime = await OpenAIRealtimeWS.create(client, {
  model,
  options: { headers: { 'api-key': apiKey } },
});

realtime.on('error', (error) => {
  console.error(`Received an error event: ${error.message}`);
  throw error;
});
realtime.on('response.output_audio_transcript.delta', (event) => {
  console.log(`Transcript delta: ${event.delta}`);
});
realtime.on('response.output_audio.delta', (event) => {
  console.log(`Audio delta length: ${Buffer.from(event.delta, 'base64').length} bytes`);
});
const coming = (type) => new Promise((resolve) => realtime.once(type, resolve));

const created = await coming('session.created');
console.log(`Session ID: ${created.session.id}`);

realtime.send({ type: 'session.update', session });
await coming('session.updated');

realtime.send({
  type: 'conversation.item.create',
  item: {
    type: 'message',
    role: 'user',
    content: [{ type: 'input_text', text: 'Please assist the user.' }],
  },
});
realtime.send({ type: 'response.create' });

const { response } = await coming('response.done');
console.log(`The final response is: ${response.output[0].content[0].transcript}`);
realtime.close();
