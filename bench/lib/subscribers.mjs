// Subscribers over WebSocket (graphql-transport-ws), as a process of its own that does what the benchmark commands.
import WebSocket from 'ws';
import { answerCommands } from './processes.mjs';
import { quantile } from './report.mjs';

const concurrency = 100;
const sockets = new Set();
let received = [];
let notify = () => undefined;

const commands = {
  /** Opens one socket per subscription and resolves when each has received its first event. */
  async connect({ url, subscriptions }) {
    const startedAt = Date.now();
    const queue = [...subscriptions];
    const workers = Array.from({ length: concurrency }, async () => {
      for (let next = queue.pop(); next; next = queue.pop()) await open(url, next);
    });
    await Promise.all(workers);
    return { ms: Date.now() - startedAt };
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

function open(url, { query, variables, authorization }) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'graphql-transport-ws', { perMessageDeflate: false });
    sockets.add(socket);
    const send = (message) => socket.send(JSON.stringify(message));
    socket.on('open', () => send({ type: 'connection_init', payload: { authorization } }));
    socket.on('message', (data) => {
      const { type, payload } = JSON.parse(data);
      if (type === 'connection_ack') send({ id: '1', type: 'subscribe', payload: { query, variables } });
      else if (type === 'ping') send({ type: 'pong' });
      else if (type === 'next' && payload.data) onEvent(payload.data.trainingProgress, resolve);
      else reject(new Error(`Unexpected message: ${data}`));
    });
    socket.on('error', reject);
    socket.on('close', (code, reason) => {
      sockets.delete(socket);
      reject(new Error(`The server closed a socket: ${code} ${reason}`));
    });
  });
}

function onEvent({ isSnapshot, estimatedReadyAt }, onSnapshot) {
  if (isSnapshot) return void onSnapshot();
  received.push({ at: Date.now(), sentAt: Date.parse(estimatedReadyAt) });
  notify();
}

answerCommands(commands);
