import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkCdn } from '../../src/app/monitoring';
import { createLogger } from '../../src/core/logger';
import { Shutdown } from '../../src/core/shutdown';
import { DiskStore } from '../../src/storage/disk-store';
import { readObject } from '../../src/storage/media-store';
import { examineCdn, type CdnVerdict } from '../../src/upstream/cdn-check';
import { listening, stopped } from '../support/servers';
import { until } from '../support/until';

type Serve = (response: ServerResponse, bytes: Buffer) => unknown;

const isJpeg = (bytes: Buffer): boolean => bytes.readUInt16BE() === 0xffd8;
const refuses =
  (status: number, body = ''): Serve =>
  (response) =>
    response.writeHead(status, { 'content-type': 'text/html' }).end(body);
const sends: Serve = (response, bytes) => response.end(bytes);
/** Converts pictures, and refuses all else. */
const converts: Serve = (response, bytes) => {
  if (!isJpeg(bytes)) return refuses(415)(response, bytes);
  return response.writeHead(200, { 'content-type': 'image/webp' }).end(`webp of ${bytes.length}`);
};
const sendsPlaceholder: Serve = (response) =>
  response.writeHead(200, { 'content-type': 'image/png' }).end('no such picture');
const isSilent: Serve = () => undefined;

describe('a CDN in front of the bucket', () => {
  let folder: string;
  let store: DiskStore;
  let url: string;
  let [avatars, others] = [sends, sends];
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    const key = request.url!.slice('/pictures/'.length);
    void store.open(key).then(async (object) => {
      (key.startsWith('avatars/') ? avatars : others)(response, await readObject(object!));
    });
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'likeness-cdn-'));
    store = new DiskStore(folder);
    url = `http://127.0.0.1:${await listening(server)}/pictures/`;
  });
  afterAll(async () => {
    await stopped(server);
    await rm(folder, { recursive: true });
  });

  it.each<[CdnVerdict, string, Serve, Serve]>([
    ['readable', 'serves everything', sends, sends],
    ['readable', 'converts all pictures', converts, converts],
    ['readable', 'serves photos and no avatars', refuses(403), sends],
    ['refused', 'serves avatars only', sends, refuses(403)],
    ['refused', 'converts avatars only', converts, refuses(415)],
    ['refused', 'answers with a page where it serves nothing', sends, refuses(200, '<!doctype html>')],
    ['unknown', 'serves nothing', refuses(404), refuses(404)],
    ['unknown', 'fails', sends, refuses(503)],
    ['unknown', 'answers with another picture', converts, sendsPlaceholder],
  ])('has the verdict %s for photos if it %s', async (verdict, _, ...serve) => {
    [avatars, others] = serve;
    const verdicts = await examineCdn(url, store, new AbortController().signal);
    expect([...verdicts]).toEqual([
      ['photos/', verdict],
      ['uploads/', verdict],
    ]);
    const left: string[] = [];
    for (const prefix of ['avatars/', 'photos/', 'uploads/'])
      for await (const key of store.list(prefix, 0)) left.push(key);
    expect(left).toEqual([]);
  });

  it('is no reason to delay a stop while it is silent', async () => {
    [avatars, others] = [isSilent, isSilent];
    const logger = createLogger('silent');
    const shutdown = new Shutdown(logger);
    const before = requests;
    checkCdn(store, { config: { S3_PUBLIC_URL: url }, logger, shutdown } as never);
    await until(() => requests > before);
    const startedMs = Date.now();
    await shutdown.stop();
    // Without the time limit of the requests.
    expect(Date.now() - startedMs).toBeLessThan(9_000);
    expect(requests).toBe(before + 1);
  });
});
