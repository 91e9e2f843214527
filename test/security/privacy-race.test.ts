import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { jwtSettings, Client } from '../support/client';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { listening, stopped } from '../support/servers';
import { until } from '../support/until';

const armed = Symbol.for('likeness.failpoint');
type Hook = (name: string) => Promise<void>;
interface Model {
  model: { id: string };
}

let gateway: TestGateway;
let host: Server;
let base: string;
let givePhotos = (): void => undefined;
const photosOfHanna = new Promise<void>((resolve) => (givePhotos = resolve));

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, PHOTO_URL_ALLOW: '127.0.0.1' });
  const face = await facePhoto(1, { width: 640 });
  host = createServer((request, response) => {
    const isHeld = request.url!.includes('held-hanna');
    void (isHeld ? photosOfHanna : Promise.resolve()).then(() => response.end(face));
  });
  base = `http://127.0.0.1:${await listening(host)}`;
});

afterEach(() => {
  (globalThis as { [armed]?: Hook })[armed] = undefined;
});

afterAll(async () => {
  await gateway.stop();
  await stopped(host);
});

/**
 * A document with so many mutations that each create something.
 * @param paidAt - the index of the paid mutation, of which a document may have one
 */
function document(
  name: string,
  fields: number,
  paidAt: number,
): { query: string; variables: Record<string, unknown> } {
  const uploads = 'createPhotoUploads(input: $files) { uploads { photo { id } } }';
  const training = 'trainModel(input: $training) { model { id } }';
  const lines = Array.from({ length: fields }, (_, at) => `f${at}: ${at === paidAt ? training : uploads}`);
  const files = [1, 2].map((n) => ({ filename: `${name}-${n}.jpg`, contentType: 'image/jpeg', byteSize: 9 }));
  const photoUrls = [1, 2, 3, 4, 5].map((photo) => `${base}/${name}/${photo}.jpg`);
  return {
    query: `mutation ($files: CreatePhotoUploadsInput!, $training: TrainModelInput!) { ${lines.join('\n')} }`,
    variables: {
      files: { files },
      training: { name: `model of ${name}`, type: 'CAT', photoUrls, idempotencyKey: name },
    },
  };
}

/** Stops the first mutation of a document after its commit, until it is released. */
function stopAfterFirst(): { reached: () => boolean; release: () => void } {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let isReached = false;
  (globalThis as { [armed]?: Hook })[armed] = async (name) => {
    if (name !== 'mutation:committed' || isReached) return;
    isReached = true;
    await released;
  };
  return { reached: () => isReached, release };
}

/** Whether a statement with these words waits for a lock. */
async function isWaiting(words: string): Promise<boolean> {
  const rows = await gateway.rows(
    `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND strpos(query, $1) > 0`,
    [words],
  );
  return rows.length > 0;
}

/** Whether all pending deletions are done. */
async function isQuiet(): Promise<boolean> {
  const rows = await gateway.rows('SELECT 1 FROM media_deletions LIMIT 1');
  return rows.length === 0 && (await gateway.mediaFiles()).length === 0;
}

describe('a request that was admitted before an erasure', () => {
  it.each([
    ['createPhotoUploads', 'early-ella', (query: string) => query],
    ['exportMyData', 'early-emil', (query: string) => query.replace('f1:', 'f1: exportMyData { url } f3:')],
  ])('writes nothing once the erasure is complete: %s', async (_field, name, edit) => {
    const early = await Client.of(gateway, name);
    const { reached, release } = stopAfterFirst();
    const { query, variables } = document(name, 3, 0);
    const answering = early.execute('HTTP', { query: edit(query), variables });
    await until(async () => reached());

    const { completedAt, counts } = await early.erase();
    expect({ isComplete: completedAt !== null, models: counts.models }).toEqual({
      isComplete: true,
      models: 1,
    });
    release();

    const { data, errors } = await answering;
    const { f0, ...later } = data as Record<string, unknown>;
    // The first mutation happened before the erasure; the others are refused.
    expect(f0).toEqual({ model: { id: expect.stringMatching(/^model_/) as string } });
    expect(new Set(Object.values(later))).toEqual(new Set([null]));
    const refused = { extensions: { code: 'SERVICE_UNAVAILABLE', retryAfterSeconds: 5 } };
    expect(errors).toMatchObject(Object.keys(later).map((path) => ({ path: [path], ...refused })));
    expect(await gateway.database.tablesWith(name)).toEqual(['erasures']);
  });

  it('delays the erasure while it writes, and its rows are erased', async () => {
    const slow = await Client.of(gateway, 'slow-sam');
    const { query, variables } = document('slow-sam', 2, 1);
    const trained = await slow.request<{ f1: Model }>(query, variables);
    const [row] = await gateway.rows<{ id: string }>(`SELECT id FROM models WHERE owner = 'slow-sam'`);
    const client = await gateway.database.session();
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM models WHERE id = $1 FOR UPDATE', [row!.id]);
    const rename =
      'mutation ($id: ID!) { renameModel(input: { id: $id, name: "slow-sam again" }) { model { name } } }';
    const renaming = slow.execute('HTTP', { query: rename, variables: { id: trained.f1.model.id } });
    await until(() => isWaiting('UPDATE models SET name'));
    const erasing = slow.erase();
    await until(() => isWaiting('pg_advisory_xact_lock'));
    await client.query('COMMIT');
    await client.end();

    const { counts } = await erasing;
    expect((await renaming).errors).toBeUndefined();
    expect(counts.models).toBe(1);
    expect(await gateway.database.tablesWith('slow-sam')).toEqual(['erasures']);
  });

  it('leaves nothing behind when the erasure starts at any point of a document of 20 mutations', async () => {
    const repetitions = 10;
    const outcomes: boolean[] = [];
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      const name = `racer-${repetition}`;
      const person = await Client.of(gateway, name);
      const answering = person.execute('HTTP', document(name, 20, repetition % 2 === 0 ? 19 : randomInt(20)));
      const others = [
        person.execute('WebSocket', document(`${name}-socket`, 5, 4)),
        person.execute('HTTP', { query: 'mutation { exportMyData { url } }' }),
        person.slots(3).catch(() => null),
      ];
      await new Promise((resolve) => setTimeout(resolve, randomInt(250)));
      const { receipt } = await person.erase();
      const [{ errors = [] }] = await Promise.all([answering, ...others]);
      outcomes.push(errors.length > 0);
      await until(async () => (await person.erasure(receipt))?.completedAt != null);
      expect(await gateway.database.tablesWith(name)).toEqual(['erasures']);
    }
    await until(isQuiet);
    expect(await gateway.database.tablesWith('racer-')).toEqual(['erasures']);
    expect(new Set(outcomes).has(true)).toBe(true);
  }, 120_000);

  it('leaves nothing behind while the upstream responds and pictures are stored', async () => {
    const names = Array.from({ length: 4 }, (_, repetition) => `maker-${repetition}`);
    for (const name of names) {
      const person = await Client.of(gateway, name);
      const { modelId, photoIds } = await person.settle(`portrait of ${name}`);
      await person.generate(modelId, [{ prompt: `a picture of ${name}`, count: 8 }]);
      await person.train({ photoIds, name: `second model of ${name}` });
      const { avatars } = await person.request<{ avatars: { nodes: { id: string }[] } }>(
        '{ avatars { nodes { id } } }',
      );
      const ids = avatars.nodes.map(({ id }) => id);
      const changes = Array.from({ length: 12 }, async (_, index) => {
        await new Promise((resolve) => setTimeout(resolve, 40 * index));
        const favorite = `setFavorite(input: { avatarIds: $ids, favorite: ${index % 2 === 0} }) { avatars { id } }`;
        const query = `mutation ($ids: [ID!]!) { ${favorite} downloadAvatars(input: { select: { ids: $ids } }) { url } cancelGenerations(input: { select: { filter: {} } }) { result { __typename } } }`;
        await person.post(query, { ids });
      });
      await new Promise((resolve) => setTimeout(resolve, randomInt(400)));
      const { receipt } = await person.erase();
      await Promise.all(changes);
      await until(async () => (await person.erasure(receipt))?.completedAt != null);
      expect(await gateway.database.tablesWith(name)).toEqual(['erasures']);
    }
    await until(isQuiet);
    expect(await gateway.database.tablesWith('maker-')).toEqual(['erasures']);
  }, 120_000);

  it('writes nothing later than 30 seconds after its admission', async () => {
    const ask = (age: string): Promise<{ verdict: string }[]> =>
      gateway.rows(`SELECT admit_write('late-lea', now() - $1::interval, '{}', 30000) AS verdict`, [age]);
    expect([...(await ask('29 s')), ...(await ask('31 s'))]).toEqual([
      { verdict: 'ADMITTED' },
      { verdict: 'LATE' },
    ]);
  });
});

describe('a job that waits while the erasure of its owner begins', () => {
  it('is not submitted to the upstream', async () => {
    const hanna = await Client.of(gateway, 'held-hanna');
    const { query, variables } = document('held-hanna', 2, 1);
    const { f1 } = await hanna.request<{ f1: Model }>(query, variables);
    const mark = `INSERT INTO erasures (id, owner, due_at) VALUES (gen_random_uuid(), 'held-hanna', now() + interval '1 hour')`;
    await gateway.rows(mark);
    givePhotos();
    const ready = `SELECT 1 FROM photos WHERE owner = 'held-hanna' AND status = 'READY'`;
    await until(async () => (await gateway.rows(ready)).length === 5);

    const later = await Client.of(gateway, 'later-lars');
    const after = document('later-lars', 2, 1);
    const trained = await later.request<{ f1: Model }>(after.query, after.variables);
    await later.becomes('model', trained.f1.model.id, 'READY');

    const [model] = await gateway.rows<{ id: string; status: string; attempt: number }>(
      `SELECT id, status, attempt FROM models WHERE owner = 'held-hanna'`,
    );
    expect(f1.model.id).toBe(`model_${model!.id.replaceAll('-', '')}`);
    expect(model).toMatchObject({ status: 'QUEUED', attempt: 0 });
    await gateway.rows(`UPDATE erasures SET due_at = now() WHERE owner = 'held-hanna'`);
    await until(async () => (await gateway.database.tablesWith('held-hanna')).join() === 'erasures');
  });
});

describe('an operator during the erasure of the owner of a key', () => {
  const operate = (...words: string[]): ReturnType<typeof likeness> =>
    likeness({ DATABASE_URL: gateway.database.url }, ...words);

  it('can revoke the key without seeing the owner, and cannot create another', async () => {
    const key = (await operate('keys', 'create', '--owner', 'keyed-kim')).out;
    const [, id] = key.split('_');
    await gateway.rows(
      `INSERT INTO erasures (id, owner, due_at) VALUES (gen_random_uuid(), 'keyed-kim', now() + interval '1 hour')`,
    );
    const made = await operate('keys', 'create', '--owner', 'keyed-kim');
    expect(made).toMatchObject({ code: 1, out: '' });
    expect(await operate('keys', 'revoke', id!)).toMatchObject({ code: 0 });
    const entries = await gateway.rows<{ owner: string }>(
      `SELECT owner FROM audit_log WHERE action = 'revokeKey' AND subject = $1`,
      [id],
    );
    expect(entries).toEqual([{ owner: '@/erased' }]);
    expect(await gateway.rows(`SELECT 1 FROM api_keys WHERE id = $1 AND revoked_at IS NULL`, [id])).toEqual(
      [],
    );
  });
});
