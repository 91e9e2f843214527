import sharp from 'sharp';
import { pause } from '../../src/core/clock';
import { jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { enlargeAvatars, createManyRows } from '../support/many-rows';
import { until } from '../support/until';
import { unzip } from '../support/unzip';

let gateway: TestGateway;
let anna: Client;
let settled: { modelId: string; generationId: string; photoIds: string[] };

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
  anna = await Client.of(gateway, 'anna');
  settled = await anna.settle('anna on a red bicycle', 2);
});

afterAll(() => gateway.stop());

async function offer(person: Client): Promise<{ url: string; expiresAt: string }> {
  const { exportMyData } = await person.request<{ exportMyData: { url: string; expiresAt: string } }>(
    'mutation { exportMyData { url expiresAt } }',
  );
  return exportMyData;
}

async function firstAvatar(person: Client): Promise<string> {
  const { avatars } = await person.request<{ avatars: { nodes: { id: string }[] } }>(
    '{ avatars(orderBy: OLDEST, first: 1) { nodes { id } } }',
  );
  return avatars.nodes[0]!.id;
}

interface Exported {
  format: string;
  owner: string;
  models: Record<string, unknown>[];
  generations: Record<string, unknown>[];
  avatars: (Record<string, unknown> & { file: string; sha256: string })[];
  photos: (Record<string, unknown> & { file: string | null })[];
  paidCalls: Record<string, unknown>[];
  timelines: Record<string, unknown>[];
  events: Record<string, unknown>[];
  booked: Record<string, unknown>[];
  audit: Record<string, unknown>[];
  idempotencyKeys: Record<string, unknown>[];
  bulkRetries: Record<string, unknown>[];
  downloads: Record<string, unknown>[];
  apiKeys: Record<string, unknown>[];
}

interface Step {
  kind: string;
  attempt: number;
  occurredAt: string;
  call: { durationMs: number | null; httpStatus: number | null } | null;
}

async function exported(url: string): Promise<{ data: Exported; files: Map<string, Buffer> }> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(await response.text());
  const files = unzip(Buffer.from(await response.arrayBuffer()));
  return { data: JSON.parse(files.get('data.json')!.toString()) as Exported, files };
}

describe('exportMyData', () => {
  it('returns all data of a person in one archive', async () => {
    const avatar = await firstAvatar(anna);
    await anna.request(
      'mutation ($id: ID!) { setFavorite(input: { avatarIds: [$id], favorite: true }) { avatars { id } } }',
      { id: avatar },
    );
    await gateway.moveToLaterKey(settled.photoIds[0]!);
    const { url, expiresAt } = await offer(anna);
    const leftMs = Date.parse(expiresAt) - Date.now();
    expect(leftMs).toBeGreaterThan(3_500_000);
    expect(leftMs).toBeLessThanOrEqual(3_600_000);
    const { data, files } = await exported(url);

    expect(data).toMatchObject({ format: 'likeness-export/1', owner: 'anna' });
    expect(data.models).toMatchObject([
      { id: settled.modelId, name: 'model of anna', status: 'READY', photos: settled.photoIds },
    ]);
    expect(data.generations).toMatchObject([
      {
        ...{ id: settled.generationId, model: settled.modelId, status: 'COMPLETED' },
        prompts: [{ style: 'realistic', prompt: 'anna on a red bicycle', count: 2 }],
      },
    ]);
    expect(data.photos.map(({ id, status, filename }) => ({ id, status, filename }))).toEqual(
      [...settled.photoIds].sort().map((id) => ({ id, status: 'READY', filename: 'me.jpg' })),
    );
    expect(data.paidCalls).toMatchObject([{ outcome: 'ACCEPTED' }, { outcome: 'ACCEPTED' }]);
    expect(data.events.length).toBeGreaterThan(5);
    expect(data.booked).toMatchObject([{ trainings: 1 }, { avatars: 2 }]);
    expect(data.audit.map(({ action }) => action)).toEqual(['trainModel', 'generateAvatars', 'exportMyData']);
    expect([data.idempotencyKeys, data.apiKeys]).toEqual([[], []]);

    expect(data.avatars).toHaveLength(2);
    expect(data.avatars.flatMap(({ id, favorite }) => (favorite === true ? [id] : []))).toEqual([avatar]);
    const query = '{ avatars { nodes { id placeholder thumbhash provenance { hasContentCredentials } } } }';
    const { avatars } = await anna.request<{ avatars: { nodes: Record<string, unknown>[] } }>(query);
    for (const { id, provenance, ...hashes } of avatars.nodes)
      expect(data.avatars.find((record) => record.id === id)).toMatchObject({
        ...hashes,
        ...(provenance as object),
      });
    for (const { file, width } of data.avatars) {
      expect((await sharp(files.get(file)).metadata()).width).toBe(width);
    }
    for (const { file } of data.photos) {
      expect(await sharp(files.get(file!)).metadata()).toMatchObject({ format: 'jpeg', width: 512 });
    }
    const names = [...data.avatars, ...data.photos].map(({ file }) => file);
    expect([...files.keys()].sort()).toEqual([...names, 'README.txt', 'data.json'].sort());
  });

  it('contains the timelines that the API shows', async () => {
    const steps =
      '{ timeline(first: 100) { nodes { kind attempt occurredAt call { durationMs httpStatus } } } }';
    const ids = { model: settled.modelId, generation: settled.generationId };
    const jobs = await anna.request<Record<'model' | 'generation', { timeline: { nodes: Step[] } }>>(
      `query ($model: ID!, $generation: ID!) { model(id: $model) ${steps} generation(id: $generation) ${steps} }`,
      ids,
    );
    const { data } = await exported((await offer(anna)).url);
    for (const kind of ['model', 'generation'] as const) {
      const { nodes } = jobs[kind].timeline;
      expect(nodes.length).toBeGreaterThan(3);
      expect(data.timelines.filter(({ jobKind }) => jobKind === kind)).toMatchObject(
        nodes.map(({ call, ...step }) => ({
          ...step,
          // Those of paid calls are in the list of these.
          ...(step.kind === 'POLLED' && { durationMs: call!.durationMs, httpStatus: call!.httpStatus }),
        })),
      );
    }
  });

  it('contains the offered downloads of avatars, and those of no other person', async () => {
    const [emil, frida] = [await Client.of(gateway, 'emil'), await Client.of(gateway, 'frida')];
    const download = async (person: Client, size: string): Promise<void> => {
      const { generationId } = await person.settle();
      await person.request(
        'mutation ($input: DownloadAvatarsInput!) { downloadAvatars(input: $input) { url } }',
        { input: { select: { filter: { generationId } }, size } },
      );
    };
    await Promise.all([download(emil, 'PX_256'), download(frida, 'ORIGINAL')]);
    const { data } = await exported((await offer(emil)).url);
    expect(data.downloads).toEqual([
      {
        ...{
          id: expect.any(String) as string,
          avatars: 2,
          variant: expect.stringContaining('256') as string,
        },
        ...{ createdAt: expect.any(String) as string, expiresAt: expect.any(String) as string },
      },
    ]);
    const [{ createdAt, expiresAt } = {}] = data.downloads;
    expect(Date.parse(String(expiresAt)) - Date.parse(String(createdAt))).toBe(3_600_000);
  });

  it('contains the jobs of bulk retries, which deleteMyData erases', async () => {
    const dora = await Client.of(gateway, 'dora');
    const { generationId } = await dora.settle();
    await gateway.rows(
      `UPDATE generations SET status = 'FAILED', completed_at = NULL, due_at = NULL, failure_code = 'UPSTREAM_FAILED',
         failure_message = 'It failed.', failure_retryable = true WHERE owner = 'dora'`,
    );
    const input = {
      select: { ids: [generationId] },
      expectedCount: 1,
      idempotencyKey: 'the-retries-of-dora',
    };
    await dora.request(
      'mutation ($input: RetryGenerationsInput!) { retryGenerations(input: $input) { result { changedCount } } }',
      { input },
    );
    const { data } = await exported((await offer(dora)).url);
    expect(data.bulkRetries).toMatchObject([
      { key: input.idempotencyKey, attempt: 1, settledAt: expect.any(String) as string, failureCode: null },
    ]);
    await dora.erase();
    const left = 'SELECT 1 FROM bulk_retries';
    await until(async () => (await gateway.rows(left)).length === 0);
  });

  it('contains the idempotency keys of retries, which deleteMyData erases', async () => {
    const carla = await Client.of(gateway, 'carla');
    const { modelId } = await carla.settle();
    await gateway.rows(
      `UPDATE models SET status = 'FAILED', ready_at = NULL, due_at = NULL, failure_code = 'UPSTREAM_FAILED', failure_message = 'It failed.',
         failure_retryable = true WHERE owner = 'carla'`,
    );
    const idempotencyKey = 'the-retry-of-carla';
    const retry = { attempt: 1, idempotencyKey };
    expect(await carla.change('retryModel', modelId, retry)).toMatchObject({ status: 'QUEUED' });
    const { data } = await exported((await offer(carla)).url);
    expect(data.idempotencyKeys).toMatchObject([{ key: idempotencyKey, operation: 'retryModel' }]);
    await carla.erase();
    await until(
      async () => !(await gateway.database.tablesWith(idempotencyKey)).includes('idempotency_keys'),
    );
  });

  it('is readable with its own URL only, from which no other can be derived', async () => {
    const { url } = await offer(anna);
    const bob = await Client.of(gateway, 'bob');
    const bobs = await offer(bob);
    const { data, files } = await exported(bobs.url);
    expect([...files.keys()]).toEqual(['README.txt', 'data.json']);
    expect([data.models, data.photos, data.audit]).toMatchObject([[], [], [{ action: 'exportMyData' }]]);

    const [forged, late, bare, other] = [new URL(bobs.url), new URL(url), new URL(url), new URL(url)];
    forged.pathname = new URL(url).pathname;
    late.searchParams.set('expires', String(Number(late.searchParams.get('expires')) + 60));
    bare.search = '';
    other.pathname = other.pathname.replace(/.$/, 'x');
    for (const wrong of [forged, late, bare, other]) {
      const response = await fetch(wrong);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: 'INVALID_SIGNATURE' });
    }
  });

  it('is sent with headers that prevent caching and content sniffing', async () => {
    const response = await fetch((await offer(anna)).url);
    await response.arrayBuffer();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/zip',
      'content-disposition': expect.stringMatching(
        /^attachment; filename="likeness-export-\d{4}-\d\d-\d\d\.zip"$/,
      ),
      'cache-control': 'private, no-store',
      'x-content-type-options': 'nosniff',
    });
  });

  it('expires, and is limited in number', async () => {
    const carl = await Client.of(gateway, 'carl');
    const urls: string[] = [];
    for (let count = 0; count < 10; count += 1) urls.push((await offer(carl)).url);
    const { errors } = await carl.execute('HTTP', { query: 'mutation { exportMyData { url } }' });
    expect(errors).toMatchObject([{ extensions: { code: 'RATE_LIMITED', maximum: 10 } }]);
    await gateway.rows(`UPDATE exports SET expires_at = now() WHERE owner = 'carl'`);
    expect((await fetch(urls[0]!)).status).toBe(404);
    await offer(carl);
  });

  it('ends when the data are erased, also during the download', async () => {
    const { person, url } = await rich('dora');
    const response = await fetch(url);
    const reader = response.body!.getReader();
    expect((await reader.read()).done).toBe(false);
    await person.erase();
    // A running download is checked once a second, also within a picture.
    await pause(1_000);
    let size = 0;
    await expect(drained(reader, (bytes) => (size += bytes))).rejects.toThrow();
    expect(size).toBeLessThan(pictureBytes / 2);
    expect((await fetch(url)).status).toBe(404);
  });

  it('allows one download at a time, and the next after a disconnect', async () => {
    const { url } = await rich('emil');
    const leaving = new AbortController();
    const slow = await fetch(url, { signal: leaving.signal });
    const second = await fetch(url);
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('30');
    await second.text();
    leaving.abort();
    await expect(slow.text()).rejects.toThrow();
    await until(async () => {
      const again = await fetch(url);
      await again.body!.cancel();
      return again.status === 200;
    });
  });

  it('waits for a slow client with little memory', async () => {
    const { url } = await rich('frida');
    const beforeBytes = process.memoryUsage().rss;
    const response = await fetch(url);
    const reader = response.body!.getReader();
    let [size, maxBytes] = [0, 0];
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      size += (piece.value as Uint8Array).length;
      maxBytes = Math.max(maxBytes, process.memoryUsage().rss - beforeBytes);
    }
    expect(size).toBeGreaterThan(4 * pictureBytes);
    expect(maxBytes).toBeLessThan(2 * pictureBytes);
  });
});

const pictureBytes = 60_000_000;

/** A person with more picture data than any buffer holds. */
async function rich(name: string): Promise<{ person: Client; url: string }> {
  const person = await Client.of(gateway, name);
  await createManyRows(gateway, name, { generations: 2, avatarsEach: 2, photos: 0, eventsEach: 1 });
  await enlargeAvatars(gateway, name, pictureBytes);
  return { person, url: (await offer(person)).url };
}

async function drained(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  onBytes: (count: number) => void,
): Promise<void> {
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) onBytes(piece.value.length);
}
