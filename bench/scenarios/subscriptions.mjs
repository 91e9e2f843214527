import { setTimeout as pause } from 'node:timers/promises';
import { ask, cpuMs, withChild } from '../lib/processes.mjs';
import { AnswersDiffer, median } from '../lib/report.mjs';
import { operations, tokenOf } from '../lib/requests.mjs';
import { idOf, modelIdOf, seedModels, settle } from '../lib/seed.mjs';
import { startPeer, startProduct, withJwt } from '../lib/servers.mjs';

const from = 5_000_000;
const modelsEach = 5;
const eventsPerSecond = 1_000;
const rateSeconds = 5;
/** All subscribers of one model have one owner. */
const manySockets = { LOG_LEVEL: 'warn', MAX_SOCKETS_PER_OWNER: '1000000' };

export const subscriptions = {
  name: 'subscriptions',
  title: 'Subscribers that each follow their own model, then all the same one',
  run: async (bench) => {
    const count = bench.options.subscribers;
    const owners = Array.from(
      { length: Math.ceil(count / modelsEach) },
      (_, index) => `follower-${index + 1}`,
    );
    await seedModels(bench.database.rows, { owners, modelsEach, from, status: 'TRAINING' });
    await seedEvents(bench.database, { from, count });
    await settle(bench.database.rows);
    const rows = [];
    for (const id of ['ws-raw', 'ws-graphql', 'ws-mercurius', 'likeness']) {
      rows.push(await measure(bench, id, subscriptionsOf(owners, count)));
    }
    return { rows: rows.map((row) => withRatios(row, rows[0])), samples: rows };
  },
};

/** An event in each stream: PostgreSQL keeps plans for an empty table until it has analyzed it again. */
export async function seedEvents(database, { from, count }) {
  await publishByDatabase(database)(Array.from({ length: count }, (_, index) => from + index));
}

function subscriptionsOf(owners, count) {
  const tokens = owners.map((owner) => tokenOf(owner));
  return Array.from({ length: count }, (_, index) => ({
    query: operations.Progress,
    variables: { id: modelIdOf(from + index) },
    authorization: `Bearer ${tokens[Math.floor(index / modelsEach)]}`,
  }));
}

async function measure(bench, id, list) {
  const isProduct = id === 'likeness';
  const server = await (isProduct
    ? startProduct(bench, { ...withJwt, ...manySockets })
    : startPeer(bench, id));
  const publish = isProduct ? publishByDatabase(bench.database) : publishInProcess(server);
  const result = await withChild('lib/subscribers.mjs', async (client) => {
    const group = { bench, server, client, publish, count: list.length };
    const connected = await connect(group, list);
    const toOne = await deliver(group, (index) => from + index);
    const latency = await deliverAtRate(group);
    await ask(client, { type: 'disconnect' });
    await connect(
      group,
      list.map(() => list[0]),
    );
    const toAll = await deliver(group, (index) => (index === 0 ? from : null));
    return { server: id, ...connected, 'one-to-one/s': toOne, ...latency, 'one-to-all/s': toAll };
  });
  await server.stop();
  return result;
}

async function connect({ client, server }, list) {
  const [memory, cpu] = [await server.memory(), cpuMs(server.pid)];
  const url = `${server.url.replace('http', 'ws')}/graphql`;
  const { ms } = await ask(client, { type: 'connect', url, subscriptions: list });
  const usedMs = cpuMs(server.pid) - cpu;
  return {
    'connects/s': (list.length / ms) * 1000,
    'connect µs': (usedMs / list.length) * 1000,
    'KB each': ((await server.memory()) - memory) / list.length / 1024,
  };
}

/** Publishes one event per subscriber at once, first to warm up. @returns received events per second */
async function deliver({ bench, client, publish, count }, numberOf) {
  const numbers = Array.from({ length: count }, (_, index) => numberOf(index)).filter((n) => n !== null);
  const rates = [];
  for (let round = 0; round <= bench.options.rounds; round += 1) {
    await ask(client, { type: 'reset' });
    const startedAt = await publish(numbers);
    const received = await receive(client, count);
    rates.push((count / (received.lastAt - startedAt)) * 1000);
  }
  return median(rates.slice(1));
}

async function deliverAtRate({ client, publish, count }) {
  await ask(client, { type: 'reset' });
  const startedAt = Date.now();
  const total = rateSeconds * eventsPerSecond;
  for (let sent = 0; sent < total; await pause(5)) {
    const due = Math.min(total, Math.floor(((Date.now() - startedAt) / 1000) * eventsPerSecond));
    if (due > sent)
      await publish(Array.from({ length: due - sent }, (_, index) => from + ((sent + index) % count)));
    sent = Math.max(sent, due);
  }
  const { p50, p99 } = await receive(client, total);
  return { 'p50 ms': p50, 'p99 ms': p99 };
}

async function receive(client, count) {
  const received = await ask(client, { type: 'receive', count });
  if (received.count !== count)
    throw new AnswersDiffer(`${received.count} events arrived instead of ${count}.`);
  return received;
}

/** @returns publishes events of models by number, and returns the time just before subscribers can receive them */
function publishInProcess({ child }) {
  return async (numbers) => {
    const startedAt = Date.now();
    await ask(child, { type: 'publish', topics: numbers.map(modelIdOf) });
    return startedAt;
  };
}

/** The product reads events from its log, and is notified of them. */
export function publishByDatabase({ pool }) {
  return async (numbers) => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const time = new Date();
      await client.query({
        name: 'events',
        text: insertEvents,
        values: [numbers.map((n) => idOf('models', n)), time],
      });
      const startedAt = Date.now();
      await client.query('COMMIT');
      return startedAt;
    } finally {
      client.release();
    }
  };
}

const insertEvents = `
  WITH moved AS (
    UPDATE streams SET sequence = sequence + 1 WHERE id = ANY ($1::uuid[]) RETURNING id, sequence
  ), inserted AS (
    INSERT INTO events (stream_id, sequence, kind, subject_id, payload)
    SELECT s.id, s.sequence, 'MODEL', s.id, jsonb_build_object(
             'id', m.id, 'owner', m.owner, 'provider', m.provider, 'status', m.status, 'progress', m.progress,
             'attempt', m.attempt, 'name', m.name, 'type', m.type, 'providerRef', m.provider_ref,
             'createdAt', m.created_at, 'submittedAt', m.submitted_at, 'estimatedReadyAt', $2::timestamptz)
      FROM moved s JOIN models m ON m.id = s.id
    RETURNING stream_id
  ), numbered AS (SELECT stream_id, (row_number() OVER () - 1) / 150 AS part FROM inserted)
  SELECT pg_notify('likeness', json_build_object('from', 'bench', 'streams', json_agg(stream_id))::text)
    FROM numbered GROUP BY part`;

function withRatios(row, reference) {
  const fields = ['connects/s', 'one-to-one/s', 'one-to-all/s'];
  const entries = Object.entries(row).flatMap(([name, value]) =>
    fields.includes(name)
      ? [
          [name, value],
          [`x raw (${name.replace('/s', '')})`, value / reference[name]],
        ]
      : [[name, value]],
  );
  return Object.fromEntries(entries);
}
