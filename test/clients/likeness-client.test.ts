import { createServer } from 'node:http';
import { WebSocket } from 'ws';
import {
  ClientClosedError,
  createClient,
  errorCodes,
  InvalidCursorError,
  NoAnswerError,
  NotFoundError,
  PhotoInvalidError,
  PhotoTypeUnsupportedError,
  TooFewPhotosError,
  UnauthenticatedError,
  UnexpectedAnswerError,
  type ClientOptions,
  type LikenessClient,
  type LikenessError,
  type UploadProgress,
} from '../../src/client/index.ts';
import { jwtSecret, jwtSettings } from '../support/client';
import { all, failureOf, losingAnswers, photo, photos, taken, uploaded } from '../support/client-module';
import { TestGateway } from '../support/gateway';
import { signed } from '../support/issuer';
import { listening, stopped, TcpProxy } from '../support/servers';
import { until } from '../support/until';

let gateway: TestGateway;
const clients: LikenessClient[] = [];

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(() => gateway.stop());

const clientOf = (options: Partial<ClientOptions> = {}): LikenessClient => {
  const client = createClient({
    url: gateway.url,
    webSocketImpl: WebSocket,
    retryDelayMs: () => 20,
    ...options,
  });
  clients.push(client);
  return client;
};

describe('likeness/client', () => {
  it('runs the full flow', async () => {
    const client = clientOf();
    const progress: UploadProgress[] = [];
    const files = await photos();
    const results = await client.upload(files, { onProgress: (step) => progress.push(step) });
    expect(results.map(({ file, error }) => [file, error])).toEqual(files.map((file) => [file, null]));
    const total = files.reduce((sum, { size }) => sum + size, 0);
    expect(progress.at(-1)).toMatchObject({ totalSentBytes: total, totalByteSize: total });

    const model = await client.train({
      type: 'WOMAN',
      photos: results.map(({ photoId }) => ({ photoId: photoId! })),
    });
    const trained = await all(client.watch(model.id));
    expect(trained.at(-1)).toMatchObject({ status: 'READY', progress: 100, __typename: 'TrainingProgress' });

    expect(model).toMatchObject({
      priority: 'NORMAL',
      startBy: null,
      updatedAt: expect.any(String) as string,
    });
    expect(trained.at(-1)).toMatchObject({ model: { id: model.id, queuePosition: null } });

    const startBy = new Date(Date.now() + 3_600_000).toISOString();
    const generation = await client.generate({
      modelId: model.id,
      prompts: [{ count: 3 }],
      startBy,
      priority: 'HIGH',
    });
    expect(generation).toMatchObject({ requestedCount: 3, avatarCount: 0, startBy, priority: 'HIGH' });
    const [changes, avatars] = await Promise.all([
      all(client.watch(generation.id, { after: generation.cursor })),
      all(client.watch({ avatarsOf: generation.id })),
    ]);
    expect(changes.at(-1)).toMatchObject({
      status: 'COMPLETED',
      generation: { requestedCount: 3, avatarCount: 3, queuePosition: null },
    });
    expect(avatars).toHaveLength(3);
    const pages = await all(client.avatars({ first: 2, filter: { modelId: model.id } }));
    expect(pages.map(({ nodes }) => nodes.length)).toEqual([2, 1]);
    expect(pages.flatMap(({ nodes }) => nodes.map(({ id }) => id)).sort()).toEqual(
      avatars.map(({ avatar }) => avatar.id).sort(),
    );
    const picture = await fetch(avatars[0]!.avatar.url);
    expect((await picture.arrayBuffer()).byteLength).toBe(avatars[0]!.avatar.byteSize);
  });

  it('uses one idempotency key for all repetitions of a mutation, so that it is paid once', async () => {
    let calls = 0;
    // Fails between two attempts at the training.
    const token = (): Promise<string> =>
      ++calls === 3 ? Promise.reject(new TypeError('fetch failed')) : Promise.resolve('a token');
    const client = clientOf({ fetch: losingAnswers('LikenessTrain', 2), token });
    const before = (await gateway.sandbox.counts()).trainings;
    const model = await client.train({ type: 'WOMAN', photos: await uploaded(client) });
    await all(client.watch(model.id));
    expect((await gateway.sandbox.counts()).trainings).toBe(before + 1);
    const data = await client.query<{ models: { nodes: { id: string }[] } }>(
      '{ models(first: 1) { nodes { id } } }',
    );
    expect(data.models.nodes).toEqual([{ id: model.id }]);
  });

  it('gives the key with the error if no answer arrives, so that a later call is not paid again', async () => {
    const client = clientOf({ fetch: losingAnswers('LikenessTrain', 1), retryForMs: 0 });
    const input = { type: 'WOMAN' as const, photos: await uploaded(client) };
    const before = (await gateway.sandbox.counts()).trainings;
    const { code, idempotencyKey, isTemporary } = await failureOf(client.train(input));
    expect([code, isTemporary]).toEqual(['CONNECTION_FAILED', true]);
    const model = await client.train({ ...input, idempotencyKey });
    await all(client.watch(model.id));
    expect((await gateway.sandbox.counts()).trainings).toBe(before + 1);
  });

  it('gives each of several calls its own key when it is closed', async () => {
    const client = clientOf({ fetch: () => new Promise(() => undefined) });
    const keys = ['the key of the first call', 'the key of the second call'];
    const failures = keys.map((idempotencyKey) =>
      failureOf(client.train({ type: 'WOMAN', photos: [], idempotencyKey })),
    );
    await client.close();
    expect((await Promise.all(failures)).map(({ idempotencyKey }) => idempotencyKey)).toEqual(keys);
  });

  it('does not repeat a mutation without an idempotency key', async () => {
    const client = clientOf({ fetch: losingAnswers('renameModel', 1) });
    const rename = 'mutation { renameModel(input: { id: "model_1", name: "x" }) { model { id } } }';
    expect(await failureOf(client.query(rename))).toMatchObject({ code: 'CONNECTION_FAILED' });
    expect(await failureOf(client.query(rename))).toBeInstanceOf(NotFoundError);
  });

  it('reports each refused photo with its problems, and uploads the others', async () => {
    const client = clientOf();
    const broken = (await photo(7)).slice(0, 2_000);
    const files = [
      await photo(6),
      new File(['no picture'], 'notes.jpg', { type: 'image/jpeg' }),
      new File([broken], 'broken.jpg', { type: 'image/jpeg' }),
      new File(['%PDF'], 'paper.pdf', { type: 'application/pdf' }),
    ];
    const seen: number[] = [];
    const results = await client.upload(files, { onResult: (_, index) => seen.push(index) });
    expect(results[0]).toMatchObject({ photoId: expect.stringMatching(/^photo_/), error: null });
    expect(results[1]!.error).toBeInstanceOf(PhotoTypeUnsupportedError);
    expect(results[2]!.error).toBeInstanceOf(PhotoInvalidError);
    expect(results[2]!.error!.problems).toMatchObject([
      { code: 'UNREADABLE', message: expect.stringMatching(/./) },
    ]);
    expect(results[3]!.error?.message).toMatch(/Convert the photo/);
    expect(seen.sort()).toEqual([0, 1, 2, 3]);
  });

  it('ends an upload by its signal', async () => {
    const controller = new AbortController();
    const upload = clientOf().upload(await photos(), {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('left the page')),
    });
    await expect(upload).rejects.toThrow('left the page');
  });

  it('throws errors of the class of their code, with field and problems', async () => {
    const client = clientOf();
    const error = await failureOf(client.train({ type: 'WOMAN', photos: (await uploaded(client)).slice(1) }));
    expect(error).toBeInstanceOf(TooFewPhotosError);
    expect(error).toMatchObject({
      code: 'TOO_FEW_PHOTOS',
      field: 'input.photos',
      isTemporary: false,
      problems: [{ code: 'TOO_FEW_PHOTOS', path: ['input', 'photos'] }],
      details: { minimum: 5 },
    });
    const unknown = { after: 'nonsense' };
    const following = client.watch({ activity: {} }, unknown);
    expect(await failureOf(following.next())).toBeInstanceOf(InvalidCursorError);
    const missing = client.watch(`model_${'0'.repeat(32)}`);
    expect(await failureOf(missing.next())).toBeInstanceOf(NotFoundError);
  });

  it('has a class for each code of the schema', async () => {
    const { errorCode } = await clientOf().query<{ errorCode: { enumValues: { name: string }[] } }>(
      '{ errorCode: __type(name: "ErrorCode") { enumValues { name } } }',
    );
    expect([...errorCodes].sort()).toEqual(errorCode.enumValues.map(({ name }) => name).sort());
  });

  it('reports a server that does not answer in time, and one that is not Likeness', async () => {
    const silent = createServer(({ url }, response) => {
      if (url === '/elsewhere/graphql') response.writeHead(404).end('<h1>Not found</h1>');
    });
    const port = await listening(silent);
    const url = `http://127.0.0.1:${port}`;
    const slow = clientOf({ url, timeoutMs: 100, retryForMs: 150 });
    expect(await failureOf(slow.query('{ styles { key } }'))).toBeInstanceOf(NoAnswerError);
    expect(await failureOf(slow.watch({ activity: {} }, { retryForMs: 150 }).next())).toMatchObject({
      code: 'CONNECTION_FAILED',
    });
    const wrong = clientOf({ url: `${url}/elsewhere` });
    expect(await failureOf(wrong.query('{ styles { key } }'))).toBeInstanceOf(UnexpectedAnswerError);
    await stopped(silent);
  });

  it('ends every call and iteration when it is closed', async () => {
    const client = clientOf();
    const activity = client.watch({ activity: {} });
    expect((await activity.next()).done).toBe(false);
    const waiting = all(activity);
    const model = await client.train({ type: 'WOMAN', photos: await uploaded(client) });
    const query = `query ($id: ID!) { model(id: $id, waitMs: 30000) { status } }`;
    const call = failureOf(client.query(query, { id: model.id }));
    await client.close();
    expect(await call).toBeInstanceOf(ClientClosedError);
    await waiting;
  });

  it('leaves an iteration by return() and by its signal while it waits', async () => {
    const client = clientOf();
    const controller = new AbortController();
    const [first, second] = [
      client.watch({ activity: {} }),
      client.watch({ activity: {} }, { signal: controller.signal }),
    ];
    await taken(first, ({ change }) => change.__typename === 'CaughtUp');
    const waiting = Promise.all([all(first), all(second)]);
    await first.return!();
    controller.abort();
    expect((await waiting).every((events) => events.every(({ cursor }) => cursor))).toBe(true);
  });
});

describe('watch', () => {
  let proxy: TcpProxy;
  beforeEach(async () => {
    proxy = new TcpProxy(new URL(gateway.url));
    await proxy.open();
  });
  afterEach(() => proxy.close());

  it('resumes by its cursor after lost connections: every change once and in order', async () => {
    const changes: (LikenessError | null)[] = [];
    const client = clientOf({ url: proxy.url, onConnectionChange: (error) => changes.push(error) });
    const model = await client.train({ type: 'WOMAN', photos: await uploaded(client) });
    const seen: string[] = [];
    const watch = client.watch(model.id, { after: model.cursor });
    for await (const { status, cursor, isEstimate } of watch) {
      expect(watch.cursor).toBe(cursor);
      if (isEstimate) continue;
      seen.push(status);
      await proxy.close();
      await proxy.open();
    }
    const direct = await all(clientOf().watch(model.id, { after: model.cursor }));
    expect(seen).toEqual(direct.filter(({ isEstimate }) => !isEstimate).map(({ status }) => status));
    expect(seen.at(-1)).toBe('READY');
  });

  it('detects a connection that transfers nothing', async () => {
    const failures: unknown[] = [];
    const onConnectionChange = (error: unknown): unknown => error !== null && failures.push(error);
    const client = clientOf({ url: proxy.url, keepAliveMs: 50, timeoutMs: 300, onConnectionChange });
    const activity = client.watch({ activity: {} });
    await taken(activity, ({ change }) => change.__typename === 'CaughtUp');
    failures.length = 0;
    proxy.silence();
    let modelId = '';
    const next = taken(activity, ({ change }) => 'modelId' in change && change.modelId === modelId);
    const other = clientOf();
    modelId = (await other.train({ type: 'WOMAN', photos: await uploaded(other) })).id;
    expect(await next).toMatchObject({ isSnapshot: false });
    // The client ended it, before the server did.
    expect(failures[0]).toMatchObject({ closeCode: 4499 });
  });

  it('continues after a restart of the server, and does not end with it', async () => {
    const client = clientOf();
    const activity = client.watch({ activity: { filter: { kinds: ['MODEL'] } } });
    await taken(activity, ({ change }) => change.__typename === 'CaughtUp');
    let modelId = '';
    const next = taken(activity, ({ change }) => 'modelId' in change && change.modelId === modelId);
    await gateway.restart();
    modelId = (await client.train({ type: 'WOMAN', photos: await uploaded(client) })).id;
    expect(await next).toMatchObject({ isSnapshot: false });
  });
});

describe('authentication', () => {
  let locked: TestGateway;
  beforeAll(async () => {
    locked = await TestGateway.start(jwtSettings);
  });
  afterAll(() => locked.stop());

  it('reports a wrong key at once, over HTTP and WebSocket', async () => {
    const client = clientOf({ url: locked.url, token: 'wrong' });
    expect(await failureOf(client.query('{ viewer { owner } }'))).toBeInstanceOf(UnauthenticatedError);
    expect(await failureOf(client.upload(await photos()))).toBeInstanceOf(UnauthenticatedError);
    const watched = await failureOf(client.watch({ activity: {} }).next());
    expect(watched).toBeInstanceOf(UnauthenticatedError);
    expect(watched.message).toMatch(/token|key/i);
  });

  it('asks for the token for each request, and again when one has expired', async () => {
    let count = 0;
    // The server accepts tokens for a minute after their end.
    const token = (): Promise<string> =>
      signed(jwtSecret, { subject: 'anna', endsInSeconds: count++ === 1 ? -50 : 300 });
    const client = clientOf({ url: locked.url, token });
    const { viewer } = await client.query<{ viewer: { owner: string } }>('{ viewer { owner } }');
    expect([viewer.owner, count]).toEqual(['anna', 1]);
    const activity = client.watch({ activity: {} });
    await activity.next();
    expect(count).toBe(2);
    const waiting = activity.next();
    await until(() => count > 2);
    await activity.return!();
    await waiting;
  });
});
