import { setTimeout as pause } from 'node:timers/promises';
import { countStatements } from '../lib/database.mjs';
import { makeJpeg } from '../lib/pictures.mjs';
import { cpuMs } from '../lib/processes.mjs';
import { plain, startPeer, startProduct } from '../lib/servers.mjs';

const photosEach = 5;
const avatarsEach = 4;
const counts = { photos: 100, trainings: 60, generations: 80 };
/** The time between two generations: a machine that makes too many pictures at a time polls too late. */
const generationPauseMs = 400;
const warmUps = 6;
const simultaneous = 8;
const timeoutMs = 300_000;
/** How many times as fast as the real service the sandbox is. */
const speed = 40;
const requestsPerMinute = 500 * speed;
const apiKey = 'benchmark';

const upload = `mutation ($input: CreatePhotoUploadsInput!) {
  createPhotoUploads(input: $input) { uploads { uploadUrl photo { id } } } }`;
const train = 'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }';
const generate =
  'mutation ($input: GenerateAvatarsInput!) { generateAvatars(input: $input) { generation { id } } }';

export const jobCosts = {
  name: 'job-costs',
  title: `What PostgreSQL does and keeps for a photo, a training of ${photosEach} photos and a generation of ${avatarsEach} avatars, from the upload to the last picture`,
  run: async (bench) => {
    const samples = [];
    // Pages are written to the log as a whole once after a checkpoint.
    await setCheckpoints(bench, [`SET checkpoint_timeout = '1h'`, `SET max_wal_size = '8GB'`]);
    try {
      for (const polls of [1, 4]) samples.push(...(await measureAll(bench, polls)));
    } finally {
      await setCheckpoints(bench, ['RESET checkpoint_timeout', 'RESET max_wal_size']);
    }
    return { rows: samples, samples };
  },
};

async function setCheckpoints({ database }, changes) {
  for (const change of changes) await database.rows(`ALTER SYSTEM ${change}`);
  await database.rows('SELECT pg_reload_conf()');
}

/** Measures all kinds of work, with so many times as many polls as recommended. */
async function measureAll(bench, polls) {
  const proxy = await countStatements(bench.database.url);
  const sandbox = await startPeer(bench, 'sandbox', { SPEED: String(speed), KEY: apiKey });
  const server = await startProduct(bench, {
    ...{ ...plain, DATABASE_URL: proxy.url, PUBLIC_URL: undefined, MAX_POLL_SPEEDUP: '1' },
    ...{ PICSART_BASE_URL: sandbox.url, PICSART_API_KEY: apiKey, POLL_SPEED: String(speed * polls) },
    UPSTREAM_REQUESTS_PER_MINUTE: String(requestsPerMinute),
  });
  const picture = await makeJpeg(1024, 1024);
  const photoIds = await inParallel(photosEach, () => uploadOne(server, picture));
  const photos = photoIds.map((photoId) => ({ photoId }));
  const trainOne = async () =>
    (await ask(server, train, { input: { type: 'WOMAN', photos } })).trainModel.model.id;
  const modelId = await trainOne();
  await idle(bench);
  let nextMs = 0;
  const generateOne = async (input) => {
    const waitMs = nextMs - performance.now();
    nextMs = Math.max(nextMs, performance.now()) + generationPauseMs;
    if (waitMs > 0) await pause(waitMs);
    await ask(server, generate, { input });
  };
  const prompts = [{ style: 'realistic', count: avatarsEach }];
  const kinds = {
    photos: () => uploadOne(server, picture),
    trainings: trainOne,
    generations: () => generateOne({ modelId, prompts }),
  };
  const rows = [];
  for (const [kind, make] of Object.entries(kinds)) {
    rows.push({
      kind,
      'times the polls': polls,
      ...(await measure(bench, server, proxy, { make, count: counts[kind] })),
    });
  }
  await server.stop();
  await sandbox.stop();
  proxy.close();
  return rows;
}

/** Makes so many, and waits until they have ended. @returns the costs of each */
async function measure(bench, server, proxy, { make, count }) {
  await bench.database.rows('CHECKPOINT');
  await inParallel(warmUps, make);
  await idle(bench);
  const bytes = await storedBytes(bench);
  const before = await read(bench, server, proxy);
  await inParallel(count, make);
  await idle(bench);
  const after = await read(bench, server, proxy);
  const each = (name) => (after[name] - before[name]) / count;
  return {
    polls: each('polls'),
    statements: each('statements'),
    transactions: each('transactions'),
    'rows inserted': each('inserted'),
    updated: each('updated'),
    deleted: each('deleted'),
    events: each('events'),
    'timeline entries': each('entries'),
    'WAL bytes': each('wal'),
    'of it whole pages': each('pages'),
    'kept bytes': ((await storedBytes(bench)) - bytes) / count,
    'server ms': each('cpu'),
    'database ms': each('databaseCpu'),
  };
}

/** Counters since the start of the server. */
async function read({ database }, server, proxy) {
  // Idle sessions report their counts after 10 s.
  await pause(11_000);
  const [row] = await database.rows(
    `SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal, (SELECT wal_fpi FROM pg_stat_wal)::float8 AS pages,
            (SELECT sum(n_tup_ins) FROM pg_stat_user_tables)::float8 AS inserted,
            (SELECT sum(n_tup_upd) FROM pg_stat_user_tables)::float8 AS updated,
            (SELECT sum(n_tup_del) FROM pg_stat_user_tables)::float8 AS deleted,
            (SELECT count(*) FROM events)::float8 AS events, (SELECT count(*) FROM timeline_entries)::float8 AS entries,
            (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database())::float8 AS transactions`,
  );
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const polls = [
    ...text.matchAll(/^likeness_upstream_calls_total\{[^}]*call="(?:training|generation)"[^}]*\} (\d+)/gm),
  ].reduce((sum, [, value]) => sum + Number(value), 0);
  const databaseCpu = database.pid === null ? NaN : cpuMs(database.pid);
  return { ...row, polls, statements: proxy.count(), cpu: cpuMs(server.pid), databaseCpu };
}

/** The bytes of all tables and indexes without what updates left behind. */
async function storedBytes({ database }) {
  await database.rows('VACUUM FULL');
  const [{ bytes }] = await database.rows(
    'SELECT sum(pg_total_relation_size(relid))::float8 AS bytes FROM pg_stat_user_tables',
  );
  return bytes;
}

/** Waits until no model, generation or avatar is unfinished. Reads index entries only, so that it costs next to nothing. */
async function idle({ database }) {
  const endMs = Date.now() + timeoutMs;
  for (;;) {
    const [{ count }] = await database.rows(
      `SELECT (SELECT count(*) FROM models WHERE due_at IS NOT NULL AND status <> 'FAILED')
            + (SELECT count(*) FROM generations WHERE due_at IS NOT NULL AND status NOT IN ('FAILED', 'PARTIAL'))
            + (SELECT count(*) FROM avatars WHERE status = 'PENDING' AND due_at IS NOT NULL) AS count`,
    );
    if (Number(count) === 0) return;
    if (Date.now() > endMs) throw new Error(`${count} jobs have not ended.`);
    await pause(500);
  }
}

async function inParallel(count, make) {
  let left = count;
  const made = [];
  const work = async () => {
    while (left-- > 0) made.push(await make());
  };
  await Promise.all(Array.from({ length: simultaneous }, work));
  return made;
}

async function uploadOne(server, photo) {
  const files = [{ filename: 'photo.jpg', contentType: 'image/jpeg', byteSize: photo.length }];
  const [slot] = (await ask(server, upload, { input: { files } })).createPhotoUploads.uploads;
  const headers = { 'content-type': 'image/jpeg' };
  const answer = await fetch(slot.uploadUrl, { method: 'PUT', body: photo, headers });
  if (!answer.ok) throw new Error(`An upload was answered with ${answer.status}.`);
  await answer.text();
  return slot.photo.id;
}

async function ask(server, query, variables) {
  const answer = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(`The product refused: ${errors[0].message}`);
  return data;
}
