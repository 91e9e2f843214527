// Generations of the product as its users make them: ordered by a mutation, followed over WebSocket.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { post } from './compare.mjs';
import { AnswersDiffer } from './report.mjs';
import { tokenOf } from './requests.mjs';

const timeoutMs = 60_000;

const generate = `mutation Generate($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }`;
const follow = `subscription Follow($select: AvatarStreamInput!) {
  avatarCompleted(select: $select) { avatar { url } }
}`;

/** Polls are frequent, so that the first poll of a generation follows its submission at once. */
export const frequentPolls = {
  POLL_SPEED: '100',
  UPSTREAM_REQUESTS_PER_MINUTE: '60000000',
  PICSART_API_KEY: 'none',
};

/** A user of the product. */
export class User {
  constructor(server, owner) {
    this.server = server;
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

  /** Orders avatars. @returns the generation's id */
  async generate(modelId, prompt, count) {
    const input = { modelId, prompts: [{ style: 'realistic', prompt, count }] };
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
