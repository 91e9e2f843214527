import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import ts from 'typescript';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { listening, stopped, TcpProxy } from '../support/servers';
import { startBrowser } from './chromium';

const sources = join(__dirname, '../../src/client');
const modules = dirname(createRequire(__filename).resolve('graphql-ws'));

const imports = { 'likeness/client': '/client/index.ts', 'graphql-ws/client': '/graphql-ws/client.js' };
const pageText = `<script type="importmap">${JSON.stringify({ imports })}</script>`;

/** A page of another origin than the gateway's, and its modules. */
async function contentOf(path: string): Promise<[type: string, text: string]> {
  if (path === '/') return ['text/html', pageText];
  if (path.startsWith('/graphql-ws/'))
    return ['text/javascript', await readFile(join(modules, basename(path)), 'utf8')];
  const source = await readFile(join(sources, basename(path)), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  return ['text/javascript', ts.transpileModule(source, { compilerOptions }).outputText];
}

const server = createServer((request, response) => {
  void contentOf(request.url!).then(
    ([type, text]) => response.writeHead(200, { 'content-type': type }).end(text),
    () => response.writeHead(404).end(),
  );
});

let origin: string;
let gateway: TestGateway;
let browser: Browser;

beforeAll(async () => {
  origin = `http://127.0.0.1:${await listening(server)}`;
  [gateway, browser] = await Promise.all([TestGateway.start({ CORS_ORIGINS: origin }), startBrowser()]);
});
afterAll(() => Promise.all([browser.close(), gateway.stop(), stopped(server)]));

/** Runs in the page. */
const flow = `async (url, photos) => {
  const { createClient, PhotoTypeUnsupportedError } = await import('likeness/client');
  const client = createClient({ url });
  const files = photos.map((text, n) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new File([bytes], n + '.jpg', { type: 'image/jpeg' });
  });
  files.push(new File(['no picture'], 'notes.jpg', { type: 'image/jpeg' }));
  let last;
  const results = await client.upload(files, { onProgress: (progress) => (last = progress) });
  const accepted = results.filter(({ error }) => error === null);
  const model = await client.train({ type: 'WOMAN', photos: accepted.map(({ photoId }) => ({ photoId })) });
  const statuses = [];
  for await (const { status } of client.watch(model.id)) statuses.push(status);
  const generation = await client.generate({ modelId: model.id, prompts: [{ count: 2 }] });
  const avatars = [];
  for await (const { avatar } of client.watch({ avatarsOf: generation.id })) avatars.push(avatar.preview);
  const leaving = new AbortController();
  const aborted = client.upload(files, { signal: leaving.signal, onProgress: () => leaving.abort(new Error('left')) });
  const reason = await aborted.catch(({ message }) => message);
  await client.close();
  return {
    accepted: accepted.length,
    isRefused: results.at(-1).error instanceof PhotoTypeUnsupportedError,
    isWhole: last.totalSentBytes === last.totalByteSize,
    status: statuses.at(-1),
    avatars: avatars.length,
    reason,
  };
}`;

describe('likeness/client in a browser', () => {
  it('runs the full flow from another origin, with progress of the upload', async () => {
    const page = await browser.newPage();
    await page.goto(origin);
    const faces = await Promise.all([1, 2, 3, 4, 5].map((seed) => facePhoto(seed)));
    const photos = faces.map((bytes) => bytes.toString('base64'));
    const result = await page.evaluate(
      `(${flow})(${JSON.stringify(gateway.url)}, ${JSON.stringify(photos)})`,
    );
    expect(result).toEqual({
      accepted: 5,
      isRefused: true,
      isWhole: true,
      status: 'READY',
      avatars: 2,
      reason: 'left',
    });
    await page.close();
  }, 120_000);
});

/** Follows a training with EventSource, in the page. */
const followBySource = `(url, id) => new Promise((resolve) => {
  const query = 'subscription ($id: ID!, $after: String) {' +
    ' trainingProgress(modelId: $id, after: $after) { status cursor isSnapshot isEstimate } }';
  const parameters = new URLSearchParams({ query, variables: JSON.stringify({ id }) });
  const source = new EventSource(url + '/graphql/stream?' + parameters);
  window.seen = [];
  source.addEventListener('next', ({ data }) => window.seen.push(JSON.parse(data).data.trainingProgress));
  source.addEventListener('complete', () => {
    source.close();
    resolve(window.seen);
  });
})`;

describe('EventSource', () => {
  let proxy: TcpProxy;
  beforeEach(async () => {
    proxy = new TcpProxy(new URL(gateway.url));
    await proxy.open();
  });
  afterEach(() => proxy.close());

  it('resumes after a lost connection: every change once and in order', async () => {
    const page = await browser.newPage();
    await page.goto(origin);
    const client = gateway.client;
    const { id } = await client.train({ photoIds: await client.upload() });
    const target = JSON.stringify([proxy.url.replace(/[/]$/, ''), id]);
    const following = page.evaluate(`(${followBySource})(...${target})`);
    await page.waitForFunction('window.seen?.length > 0');
    await proxy.close();
    await proxy.open();
    const seen = (await following) as {
      status: string;
      cursor: string;
      isSnapshot: boolean;
      isEstimate: boolean;
    }[];
    expect(seen.filter(({ isSnapshot }) => isSnapshot)).toHaveLength(1);
    const cursors = seen.filter(({ isEstimate }) => !isEstimate).map(({ cursor }) => cursor);
    expect(cursors).toEqual([...new Set(cursors)]);
    expect(seen.filter(({ status }) => status === 'READY')).toHaveLength(1);
  }, 120_000);
});
