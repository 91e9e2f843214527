// An avatar service whose generations are done at their first poll. It reports to the benchmark when it answered that poll,
// under the text of the generation's prompt. SUBMISSION_MS is how long a submission takes; by default it does not wait.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { makeJpeg } from '../lib/pictures.mjs';
import { listen } from './data.mjs';

const picture = await makeJpeg(1024, 1024);

/** The generations by their reference: text of the prompt and number of pictures. */
const generations = new Map();

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, `http://${request.headers.host}`);
  const send = (type, body) => {
    response.writeHead(200, { 'content-type': type, 'content-length': body.length });
    response.end(body);
  };
  const answer = (body) => send('application/json', Buffer.from(JSON.stringify(body)));
  const generation = generations.get(pathname.split('/').at(-1));
  if (request.method === 'POST') {
    void json(request).then(async ({ prompts }) => {
      await pause(Number(process.env.SUBMISSION_MS ?? 0));
      const id = randomUUID();
      generations.set(id, prompts[0]);
      answer({ status: 'ACCEPTED', inference_id: id });
    });
  } else if (generation) {
    const urls = Array.from({ length: generation.count }, (_, index) => ({
      id: `${pathname.length}-${index}`,
      url: `http://${request.headers.host}/${generation.prompt}-${index}.jpg`.replaceAll(' ', '-'),
    }));
    process.send?.({ done: generation.prompt, at: Date.now() });
    answer({ status: 'DONE', data: { urls } });
  } else if (pathname.endsWith('.jpg')) send('image/jpeg', picture);
  else answer({ credits: 1_000_000 });
});
server.keepAliveTimeout = 60_000;
listen(server);
