import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { enlargeAvatars, createManyRows } from '../support/many-rows';
import { until } from '../support/until';
import { unzip } from '../support/unzip';

let gateway: TestGateway;

beforeAll(async () => {
  const settings = { ...jwtSettings, MAX_EXPORTS: '2', MIN_TRANSFER_RATE: '64kB', TRANSFER_GRACE: '2s' };
  gateway = await TestGateway.start(settings, { watchesStatements: true });
});

afterAll(() => gateway.stop());

/** The URL of an archive with pictures of so many bytes. */
async function archiveOf(name: string, avatars: number, pictureBytes: number): Promise<string> {
  const person = await Client.of(gateway, name);
  const size = { generations: Math.ceil(avatars / 12), avatarsEach: 12, photos: 0, eventsEach: 12 };
  await createManyRows(gateway, name, size);
  await enlargeAvatars(gateway, name, pictureBytes);
  const { exportMyData } = await person.request<{ exportMyData: { url: string } }>(
    'mutation { exportMyData { url } }',
  );
  return exportMyData.url;
}

/** A client that reads the first bytes and then stops reading. */
async function stall(url: string): Promise<IncomingMessage> {
  const [response] = (await once(request(url, { agent: false }).end(), 'response')) as [IncomingMessage];
  response.pause();
  return response;
}

async function fetched(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(await response.text());
  return Buffer.from(await response.arrayBuffer());
}

describe('an archive', () => {
  it('is aborted when its client stops reading, without effect on other clients', async () => {
    const large = await Promise.all(['anna', 'bob'].map((name) => archiveOf(name, 12, 20_000_000)));
    const small = await archiveOf('carl', 12, 1_000);
    const stalled = await Promise.all(large.map(stall));
    expect((await fetch(small)).status).toBe(503);
    await until(async () => (await fetch(small)).status === 200);
    // Each owner has one slot: it is free once the download is aborted.
    for (const url of large)
      await until(async () => {
        const again = await fetch(url);
        await again.body!.cancel();
        return again.status === 200;
      });
    const ends = stalled.map((response) => once(response, 'error'));
    for (const response of stalled) response.resume();
    expect(await Promise.all(ends)).toMatchObject([[{ code: 'ECONNRESET' }], [{ code: 'ECONNRESET' }]]);
    expect((await fetched(large[0]!)).length).toBeGreaterThan(200_000_000);
    expect(gateway.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it('is read from the database in batches, with no query for a picture', async () => {
    const url = await archiveOf('dora', 1_200, 100);
    const started = Date.now();
    let archive: Buffer = Buffer.alloc(0);
    const statements = await gateway.watch.during(async () => (archive = await fetched(url)));
    const seconds = Math.ceil((Date.now() - started) / 1_000);
    // Statements of the archive only, without those of workers.
    const reads = statements.filter((text) => /FROM exports\b|created_at <= \$2/.test(text));
    expect(reads.length).toBeGreaterThan(5);
    // One batch of 500 per kind, and one check per second.
    expect(reads.length).toBeLessThan(40 + seconds);
    const files = unzip(archive);
    expect([...files.keys()].filter((name) => name.startsWith('avatars/'))).toHaveLength(1_200);
    const data = JSON.parse(files.get('data.json')!.toString()) as Record<'avatars' | 'events', unknown[]>;
    expect([data.avatars, data.events].map(({ length }) => length)).toEqual([1_200, 1_200]);
    expect(new Set(data.events.map((event) => JSON.stringify(event))).size).toBe(1_200);
  });

  it('continues after its URL expires once it has started', async () => {
    const url = await archiveOf('emil', 12, 20_000_000);
    const response = await stall(url);
    await gateway.rows(`UPDATE exports SET expires_at = now() - interval '1 minute' WHERE owner = 'emil'`);
    expect((await fetch(url)).status).toBe(404);
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) size += chunk.length;
    expect(size).toBeGreaterThan(200_000_000);
  });
});
