// Subscribers over WebSocket (graphql-transport-ws), as a process of its own that does what the benchmark commands.
import WebSocket from 'ws';
import { answerCommands } from './processes.mjs';
import { quantile } from './report.mjs';

const concurrency = 100;
const sockets = new Set();
let received = [];
/** The subscriptions of the last `connect`, with the cursors that they have received. */
let subscribers = [];
let notify = () => undefined;

const commands = {
  /** Opens one socket per subscription and resolves when each has received its first event. */
  async connect({ url, subscriptions }) {
    subscribers = subscriptions.map((subscription) => ({ ...subscription, cursors: [] }));
    return openAll(url, 1);
  },

  /**
   * Opens the same subscriptions again, from their last cursors, and resolves when each has received the `missed` events.
   * Fails if the cursors of a subscription have a gap or a duplicate.
   */
  async resume({ url, missed }) {
    for (const subscriber of subscribers) subscriber.variables.after = subscriber.cursors.at(-1);
    const result = await openAll(url, missed);
    const broken = subscribers.filter(({ cursors }) =>
      cursors.map(sequenceOf).some((n, i, all) => i > 0 && n !== all[i - 1] + 1),
    );
    if (broken.length > 0) throw new Error(`${broken.length} subscribers have missed or repeated events.`);
    return result;
  },

  /** Resolves when `count` events have arrived since the last call of `reset`. */
  async receive({ count }) {
    const deadline = Date.now() + 60_000;
    while (received.length < count && Date.now() < deadline) {
      await new Promise((resolve) => {
        notify = () => received.length >= count && resolve();
        setTimeout(resolve, 1_000);
      });
    }
    const latencies = received.map(({ at, sentAt }) => at - sentAt);
    const lastAt = received.at(-1)?.at;
    return { count: received.length, lastAt, p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) };
  },

  reset() {
    received = [];
    return {};
  },

  async disconnect() {
    const closed = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of sockets) socket.close();
    await Promise.all(closed);
    return {};
  },
};

async function openAll(url, firstEvents) {
  const startedAt = Date.now();
  const queue = [...subscribers];
  const workers = Array.from({ length: concurrency }, async () => {
    for (let next = queue.pop(); next; next = queue.pop()) await open(url, next, firstEvents);
  });
  await Promise.all(workers);
  return { ms: Date.now() - startedAt };
}

/** The position in its stream that a cursor of the product contains. */
const sequenceOf = (cursor) => Number(Buffer.from(cursor, 'base64url').readBigInt64BE(16));

/** Resolves when the first events have arrived. */
function open(url, { query, variables, authorization, cursors }, firstEvents) {
  let left = firstEvents;
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false });
    sockets.add(socket);
    const send = (message) => socket.send(JSON.stringify(message));
    socket.on('open', () => send({ type: 'connection_init', payload: { authorization } }));
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(data);
      if (type === 'connection_ack') send({ id: '1', type: 'subscribe', payload: { query, variables } });
      else if (type === 'ping') send({ type: 'pong' });
      else if (type === 'next' && payload.data) {
        const event = payload.data.trainingProgress;
        if (event.cursor) cursors.push(event.cursor);
        if (!event.isSnapshot) record(event);
        left -= 1;
        if (left === 0) resolve();
      } else reject(new Error(`Unexpected message: ${data}`));
    });
    socket.on('error', reject);
    socket.on('close', (code, reason) => {
      sockets.delete(socket);
      reject(new Error(`The server closed a socket: ${code} ${reason}`));
    });
  });
}

function record({ estimatedReadyAt }) {
  received.push({ at: Date.now(), sentAt: Date.parse(estimatedReadyAt) });
  notify();
}

answerCommands(commands);
