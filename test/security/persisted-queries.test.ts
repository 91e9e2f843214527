import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, jwtSecret } from '../support/client';
import { TestGateway } from '../support/gateway';
import { type Operation, transports } from '../support/graphql-client';
import { signed } from '../support/issuer';
import { send } from '../support/raw-client';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const listed = 'query Who { viewer { owner } }';
const other = '{ viewer { owner } }';
const named = (hash: string): Operation =>
  ({ query: '', extensions: { persistedQuery: { version: 1, sha256Hash: hash } } }) as Operation;

describe('persisted queries', () => {
  let folder: string;
  let file: string;
  const gateways: TestGateway[] = [];
  const start = async (settings: Record<string, string>): Promise<TestGateway> => {
    const gateway = await TestGateway.start({ AUTH: 'jwt', JWT_SECRET: jwtSecret, ROLE: 'api', ...settings });
    gateways.push(gateway);
    return gateway;
  };
  const callerOf = async (gateway: TestGateway): Promise<Client> =>
    new Client(() => gateway.url, { token: await signed(jwtSecret, { subject: 'alice' }) });
  let open: Client;
  let closed: Client;
  let closedUrl: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'likeness-queries-'));
    file = join(folder, 'queries.json');
    await writeFile(file, JSON.stringify({ [sha256(listed)]: listed }));
    const [one, two] = await Promise.all([
      start({ PERSISTED_QUERIES: file }),
      start({ PERSISTED_QUERIES: file, PERSISTED_QUERIES_ONLY: 'true' }),
    ]);
    open = await callerOf(one);
    closed = await callerOf(two);
    closedUrl = two.url;
  });
  afterAll(async () => {
    open.close();
    closed.close();
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await rm(folder, { recursive: true });
  });

  const owner = { data: { viewer: { owner: 'alice' } } };

  describe.each(transports)('over %s', (transport) => {
    it('are selected by their hash, in both request formats', async () => {
      expect(await open.execute(transport, named(sha256(listed)))).toMatchObject(owner);
      const byDocument = { query: '', documentId: `sha256:${sha256(listed)}` } as Operation;
      expect(await open.execute(transport, byDocument)).toMatchObject(owner);
      expect(await open.execute(transport, { query: other })).toMatchObject(owner);
    });

    it('are not found under an unknown hash, and must match their hash', async () => {
      const codeOf = async (operation: Operation): Promise<string | undefined> => {
        if (transport !== 'SSE')
          return (await open.execute(transport, operation)).errors?.[0]?.extensions.code;
        return open.execute(transport, operation).then(
          ({ errors }) => errors?.[0]?.extensions.code,
          (error: unknown) => /"code":"(\w+)"/.exec((error as Error).message)?.[1],
        );
      };
      expect(await codeOf(named(sha256(other)))).toBe('PERSISTED_QUERY_NOT_FOUND');
      expect(await codeOf(named('__proto__'))).toBe('PERSISTED_QUERY_NOT_FOUND');
      expect(await codeOf({ ...named(sha256(listed)), query: other })).toBe('INVALID_INPUT');
    });

    it('are the only accepted operations with an allow-list', async () => {
      expect(await closed.execute(transport, named(sha256(listed)))).toMatchObject(owner);
      expect(await closed.execute(transport, { query: listed })).toMatchObject(owner);
      const answer = await closed
        .execute(transport, { query: other })
        .catch((error: unknown) => (error as Error).message);
      expect(JSON.stringify(answer)).toContain('QUERY_NOT_ALLOWED');
    });
  });

  it('work by GET', async () => {
    const headers = {
      authorization: `Bearer ${await signed(jwtSecret, { subject: 'alice' })}`,
      accept: 'application/json',
    };
    const extensions = encodeURIComponent(JSON.stringify({ persistedQuery: { sha256Hash: sha256(listed) } }));
    const { status, text } = await send(`${closedUrl}/graphql?extensions=${extensions}`, { headers });
    expect([status, JSON.parse(text)]).toEqual([200, owner]);
    const refused = await send(`${closedUrl}/graphql?query=${encodeURIComponent(other)}`, { headers });
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('QUERY_NOT_ALLOWED')]);
  });

  it.each([
    ['no JSON', '{', 'cannot be used'],
    ['a query under another hash', JSON.stringify({ [sha256('a')]: listed }), 'has another SHA-256'],
    ['a name that is not a hash', JSON.stringify({ who: listed }), 'Invalid key in record'],
  ])('fail the start if the file is invalid: %s', async (_what, text, problem) => {
    const wrong = join(folder, 'wrong.json');
    await writeFile(wrong, text);
    await expect(start({ PERSISTED_QUERIES: wrong })).rejects.toThrow(problem);
  });
});

describe('batches', () => {
  let gateway: TestGateway;
  let headers: Record<string, string>;
  beforeAll(async () => {
    gateway = await TestGateway.start({
      AUTH: 'jwt',
      JWT_SECRET: jwtSecret,
      ROLE: 'api',
      BATCHING: 'true',
      RATE_LIMIT_OWNER: '30/24h',
    });
    const token = await signed(jwtSecret, { subject: 'alice' });
    headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  });
  afterAll(() => gateway.stop());
  const post = (body: unknown): ReturnType<typeof send> =>
    send(`${gateway.url}/graphql`, { method: 'POST', headers }, JSON.stringify(body));
  const batch = (count: number, query = other): object[] => Array.from({ length: count }, () => ({ query }));
  const paid =
    'mutation { trainModel(input: { type: CAT, photoUrls: ["https://example.com/1.jpg"] }) { model { id } } }';

  it('of up to ten operations are answered in order', async () => {
    const { status, text } = await post([...batch(1), { query: 'query Q { styles { id } }' }, ...batch(8)]);
    expect(status).toBe(200);
    const answers = JSON.parse(text) as { data: Record<string, unknown> }[];
    expect(answers.map(({ data }) => Object.keys(data)[0])).toEqual(
      Array.from({ length: 10 }, (_, index) => (index === 1 ? 'styles' : 'viewer')),
    );
  });

  it.each([
    ['of eleven', batch(11), 400, 'INVALID_INPUT'],
    ['of none', [], 400, 'INVALID_INPUT'],
    ['with two paid mutations', [{ query: paid }, { query: paid }], 200, 'QUERY_TOO_COMPLEX'],
    [
      'with one that is past a limit',
      [{ query: other }, { query: `{ ${'owner '.repeat(21)} }` }],
      200,
      'QUERY_TOO_COMPLEX',
    ],
    [
      'with a subscription',
      [{ query: 'subscription { trainingProgress(modelId: "x") { cursor } }' }],
      400,
      'INVALID_INPUT',
    ],
    ['within a batch', [batch(2)], 400, 'INVALID_INPUT'],
  ])('are rejected as a whole: %s', async (_what, body, status, code) => {
    const answer = await post(body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(`"${code}"`)]);
    expect(answer.text).not.toContain('"data":{');
  });

  it('count once per operation towards rate limits', async () => {
    const { headers: received } = await post(batch(3));
    const remaining = (answer: Record<string, unknown>): number =>
      Number(/r=(\d+)/.exec(String(answer.ratelimit))![1]);
    const { headers: after } = await post(batch(3));
    expect(remaining(received) - remaining(after)).toBe(3);
    expect((await post(batch(10))).status).toBe(429);
  });
});
