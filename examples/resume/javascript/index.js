// Asks a question and hears the whole answer, whatever happens to the connection meanwhile.
// Set AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_OPENAI_DEPLOYMENT_NAME and
// NODE_EXTRA_CA_CERTS; `antiphon serve` prints them. With --cut the program cuts its own connection in
// the middle of the answer, as a tunnel would.
import { once } from 'node:events';
import WebSocket from 'ws';

const endpoint = process.env.AZURE_OPENAI_ENDPOINT.replace(/^http/, 'ws').replace(/\/$/, '');
const headers = { 'api-key': process.env.AZURE_OPENAI_API_KEY };
const query = { model: process.env.AZURE_OPENAI_DEPLOYMENT_NAME, antiphon_resume: '1' };

// Closed on purpose, refused, or gone on elsewhere: there is nothing to come back to.
const ended = new Set([1000, 4000, 4001]);
let mayCut = process.argv.includes('--cut');
let sound = 0;

function take(socket, event) {
  const send = (message) => socket.send(JSON.stringify(message));
  switch (event.type) {
    case 'session.created': {
      const content = [{ type: 'input_text', text: 'Tell me a story about a lighthouse.' }];
      send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content } });
      send({ type: 'response.create' });
      break;
    }
    case 'antiphon.session.resumable':
      query.antiphon_resume = event.token;
      break;
    case 'antiphon.session.resumed':
      console.log(`[Back. ${event.redelivered} events had been missed.]`);
      break;
    case 'response.output_audio_transcript.delta':
      process.stdout.write(event.delta);
      break;
    case 'response.output_audio.delta':
      sound += Buffer.from(event.delta, 'base64').length;
      if (mayCut) {
        mayCut = false;
        socket.terminate();
      }
      break;
    case 'response.done':
      console.log(`\nThe answer is ${event.response.status}: ${sound} bytes of sound.`);
      socket.close(1000);
      break;
    case 'error':
      console.log(event.error.message);
  }
}

for (let code = 0; !ended.has(code); ) {
  const address = `${endpoint}/openai/v1/realtime?${new URLSearchParams(query)}`;
  const socket = new WebSocket(address, { headers, perMessageDeflate: false });
  socket.on('error', () => {}); // the close that follows says what happened
  socket.on('message', (frame) => {
    // What still arrives after the connection was cut is told again on the next one.
    if (socket.readyState !== WebSocket.OPEN) return;
    const event = JSON.parse(frame);
    query.antiphon_after = event.event_id;
    take(socket, event);
  });
  [code] = await once(socket, 'close');
  if (!ended.has(code)) console.log(`\n[The connection was lost (${code}). Coming back.]`);
}
