// Generations of the product as its users make them: ordered by a mutation, followed over WebSocket.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { post } from './compare.mjs';
import { AnswersDiffer } from './report.mjs';
import { tokenOf } from './requests.mjs';
import { modelIdOf, seedModels, settle } from './seed.mjs';
import { startPeer, startProduct, withJwt } from './servers.mjs';

const timeoutMs = 60_000;

const generate = `mutation Generate($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }`;
const follow = `subscription Follow($select: AvatarStreamInput!) {
  avatarCompleted(select: $select) { avatar { url } }
}`;

/** Polls are frequent, so that the first poll of a generation follows its submission at once. */
const frequentPolls = {
  POLL_SPEED: '100',
  UPSTREAM_REQUESTS_PER_MINUTE: '60000000',
  PICSART_API_KEY: 'none',
};

/**
 * Starts an avatar service that finishes generations at once, and the product.
 * @param from - the number of the first owner's model
 * @param submissionMs - how long the service takes for a submission
 * @returns the service, and a user with a READY model for each owner
 */
export async function startUsers(bench, { owners, from, settings = {}, submissionMs = 0 }) {
  const upstream = await startPeer(bench, 'finishing-upstream', { SUBMISSION_MS: String(submissionMs) });
  const seed = { owners, modelsEach: 1, from, status: 'READY', provider: 'picsart' };
  await seedModels(bench.database.rows, seed);
  await settle(bench.database.rows);
  const server = await startProduct(bench, {
    ...withJwt,
    ...frequentPolls,
    LOG_LEVEL: 'warn',
    PICSART_BASE_URL: upstream.url,
    ...settings,
  });
  const users = owners.map((owner, index) => new User(server, owner, modelIdOf(from + index)));
  return { upstream, users };
}

/** A user of the product. */
class User {
  constructor(server, owner, modelId) {
    this.server = server;
    this.modelId = modelId;
    this.authorization = `Bearer ${tokenOf(owner)}`;
    const url = `${server.url.replace('http', 'ws')}/graphql`;
    const connectionParams = { authorization: this.authorization };
    this.client = createClient({ url, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
  }

  /** @returns the answer's data */
  async ask(query, variables) {
    const request = {
      body: JSON.stringify({ query, variables }),
      headers: { authorization: this.authorization },
    };
    const { data, errors } = JSON.parse(await post(this.server, request));
    if (errors) throw new AnswersDiffer(`The product refused: ${errors[0].message}`);
    return data;
  }

  /** Orders avatars of the user's model. @returns the generation's id */
  async generate(prompt, count) {
    const input = { modelId: this.modelId, prompts: [{ style: 'realistic', prompt, count }] };
    return (await this.ask(generate, { input })).generateAvatars.generation.id;
  }

  /** Follows a generation. @returns when the URL of each of its first `count` avatars arrived */
  async urlTimes(generationId, count) {
    const times = [];
    const request = { query: follow, variables: { select: { generationId } } };
    const timer = setTimeout(() => void this.client.terminate(), timeoutMs);
    for await (const event of this.client.iterate(request)) {
      if (event.data?.avatarCompleted.avatar?.url) times.push(Date.now());
      if (times.length === count) break;
    }
    clearTimeout(timer);
    if (times.length < count) throw new Error(`A generation was not complete within ${timeoutMs} ms.`);
    return times;
  }

  leave() {
    return this.client.dispose();
  }
}

/** When the avatar service answers that the generation with this prompt is done. */
export function doneAt({ child }, prompt) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`No poll of "${prompt}" within ${timeoutMs} ms.`));
    const timer = setTimeout(late, timeoutMs);
    const onMessage = ({ done, at }) => {
      if (done !== prompt) return;
      clearTimeout(timer);
      child.off('message', onMessage);
      resolve(at);
    };
    child.on('message', onMessage);
  });
}
