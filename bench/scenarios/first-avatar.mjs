import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { post } from '../lib/compare.mjs';
import { AnswersDiffer, quantile } from '../lib/report.mjs';
import { modelIdOf, seedModels, settle } from '../lib/seed.mjs';
import { plain, startPeer, startProduct } from '../lib/servers.mjs';

const from = 9_000_000;
const warmUps = 10;
const measured = 100;
const timeoutMs = 30_000;

const generate = `mutation Generate($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }`;
const follow = `subscription Follow($select: AvatarStreamInput!) {
  avatarCompleted(select: $select) { avatar { url } }
}`;

/** Polls are frequent, so that the first poll of a generation follows its submission at once. */
const settings = { POLL_SPEED: '100', UPSTREAM_REQUESTS_PER_MINUTE: '60000000', PICSART_API_KEY: 'none' };

export const firstAvatar = {
  name: 'first-avatar',
  title:
    'From the answer of the avatar service that a generation of 4 avatars is done until a subscriber has a URL',
  run: async (bench) => {
    const upstream = await startPeer(bench, 'finishing-upstream');
    await seedModels(bench.database.rows, {
      owners: ['local'],
      modelsEach: 1,
      from,
      status: 'READY',
      provider: 'picsart',
    });
    await settle(bench.database.rows);
    const server = await startProduct(bench, { ...plain, PICSART_BASE_URL: upstream.url, ...settings });
    const client = createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
    });
    const samples = [];
    for (let n = 0; n < warmUps + measured; n += 1)
      samples.push(await measure({ upstream, server, client }, n));
    await client.dispose();
    const kept = samples.slice(warmUps);
    const of = (name, share) =>
      quantile(
        kept.map((sample) => sample[name]),
        share,
      );
    const row = {
      generations: measured,
      'first p50 ms': of('first', 0.5),
      'first p99 ms': of('first', 0.99),
      'all p50 ms': of('all', 0.5),
      'all p99 ms': of('all', 0.99),
    };
    return { rows: [row], samples: kept };
  },
};

/** Orders 4 avatars. @returns milliseconds from the service's answer to the URL of the first and of the last avatar */
async function measure({ upstream, server, client }, n) {
  const prompt = `number ${n}`;
  const done = doneAt(upstream, prompt);
  const input = { modelId: modelIdOf(from), prompts: [{ style: 'realistic', prompt, count: 4 }] };
  const text = await post(server, { body: JSON.stringify({ query: generate, variables: { input } }) });
  const { data, errors } = JSON.parse(text);
  if (errors) throw new AnswersDiffer(`The generation was refused: ${text.slice(0, 600)}`);
  const times = [];
  const select = { generationId: data.generateAvatars.generation.id };
  for await (const event of client.iterate({ query: follow, variables: { select } })) {
    if (event.data?.avatarCompleted.avatar?.url) times.push(Date.now());
    if (times.length === 4) break;
  }
  const startedAt = await done;
  return { first: times[0] - startedAt, all: times[3] - startedAt };
}

/** When the service answers that the generation with this prompt is done. */
function doneAt({ child }, prompt) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`No poll of "${prompt}" within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    const onMessage = ({ done, at }) => {
      if (done !== prompt) return;
      clearTimeout(timer);
      child.off('message', onMessage);
      resolve(at);
    };
    child.on('message', onMessage);
  });
}
