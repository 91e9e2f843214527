import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { UrlSigner } from '../../src/core/signature';
import { signingSecrets } from '../../src/storage/data-directory';
import { Client, jwtSecret } from '../support/client';
import { TestGateway } from '../support/gateway';
import { type Operation, type Result, transports } from '../support/graphql-client';
import { signed } from '../support/issuer';
import { type RawAnswer, RawConnection, send } from '../support/raw-client';
import { until } from '../support/until';
import type { AbuseContext, AbusiveRequest } from './abuse-base';
import { abusiveBytes } from './abuse-bytes';
import { abusiveQueries, pryingQueries } from './abuse-queries';
import { abusiveRequests } from './abuse-requests';
import { myModel, myPhoto, type AbusiveQuery } from './abuse-words';
import { TwoOwners } from './two-owners';

/** Generous for busy machines; the typical time is printed at the end. */
const maxMs = 2_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The memory in use after a garbage collection. */
function usedBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const codesIn = (answer: Result): string[] => (answer.errors ?? []).map(({ extensions }) => extensions.code);

/** The code of a GraphQL or route error; null otherwise. */
const codeOf = (text: string): unknown => {
  if (!text.startsWith('{')) return null;
  const { code, errors } = JSON.parse(text) as { code?: string } & Result;
  return code ?? errors?.[0]?.extensions.code ?? null;
};

describe('abuse', () => {
  let owners: TwoOwners;
  let token: string;
  let context: AbuseContext;
  const times: { what: string; ms: number }[] = [];
  const timed = async <Result>(what: string, work: () => Promise<Result>): Promise<Result> => {
    const startedMs = performance.now();
    const result = await work();
    times.push({ what, ms: performance.now() - startedMs });
    expect(times.at(-1)!.ms).toBeLessThan(maxMs);
    return result;
  };
  const expectWell = async (): Promise<void> => {
    expect((await send(`${owners.gateway.url}/healthz`)).status).toBe(200);
    expect(await owners.alice.request('{ viewer { owner } }')).toEqual({ viewer: { owner: 'alice' } });
  };
  const asAlice = (variables: AbusiveQuery['variables'], query: string): Operation => {
    const { readyModel, photo } = owners.alices;
    const text = JSON.stringify(variables ?? {})
      .replaceAll(myModel, readyModel)
      .replaceAll(myPhoto, photo);
    return { query, variables: JSON.parse(text) as Operation['variables'] };
  };
  const port = (): number => Number(new URL(owners.gateway.url).port);

  beforeAll(async () => {
    owners = await TwoOwners.settle();
    token = await signed(jwtSecret, { subject: 'alice', endsInSeconds: 3_000 });
    const path = new URL(owners.alices.photoUrl).pathname;
    const signer = new UrlSigner(signingSecrets([], owners.gateway.dataDir));
    context = {
      token,
      ...owners.alices,
      expiredUrl: `${path}?${signer.sign('photo-view', path, Date.now() - 5_000)}`,
    };
  }, 60_000);
  afterAll(async () => {
    const worst = [...times].sort((one, other) => other.ms - one.ms).slice(0, 8);
    const lines = worst.map(({ what, ms }) => `  ${ms.toFixed(0).padStart(5)} ms  ${what}`);
    process.stdout.write(`${times.length} abuses; the slowest:\n${lines.join('\n')}\n`);
    await owners.stop();
  });
  afterEach(() => expectWell());

  describe.each(transports)('over %s: an operation with', (transport) => {
    it.each(abusiveQueries)('$what', async ({ what, code, query, variables }) => {
      const answer = await timed(`${transport}: ${what}`, () =>
        owners.alice.execute(transport, asAlice(variables, query)),
      );
      const isRefused = query.startsWith('subscription') && code !== 'GRAPHQL_VALIDATION_FAILED';
      const expected = transport === 'HTTP' && isRefused ? 'INVALID_INPUT' : code;
      expect([...new Set(codesIn(answer))]).toEqual(expected === null ? [] : [expected]);
      expect(JSON.stringify(answer)).not.toMatch(/ at .*[.]js|SELECT |INSERT |syntax to type/);
    });
  });

  const request = async ({ method, path, headers, body }: AbusiveRequest): Promise<RawAnswer> => {
    const { hostname } = new URL(owners.gateway.url);
    return send(
      owners.gateway.url,
      { method, hostname, port: port(), path: path(context), headers: headers?.(context) },
      body,
    );
  };

  it.each(abusiveRequests)('a request with $what', async (row) => {
    const { status, text } = await timed(row.what, () => request(row));
    expect([status, codeOf(text)]).toEqual([row.status, row.code]);
    expect(text).not.toMatch(/ at .*[.]js|root:/);
  });

  it.each(abusiveBytes)('a connection with $what', async ({ what, bytes, status }) => {
    const answer = await timed(what, async () => {
      const connection = await RawConnection.open(port());
      connection.socket.write(Buffer.from(bytes, 'latin1'));
      return connection.rest();
    });
    expect(answer).toMatch(new RegExp(`^HTTP/1[.]1 ${status} `));
  });

  it('serves other clients during two hundred concurrent requests', async () => {
    const rows = Array.from({ length: 200 }, (_, index) => abusiveQueries[index % abusiveQueries.length]!);
    const flood = Promise.all(
      rows.map(({ query, variables }) => owners.bob.execute('HTTP', { query, variables })),
    );
    await timed('a good query during a flood of 200', expectWell);
    const answers = await flood;
    expect(answers.filter((answer) => codesIn(answer).includes('INTERNAL_SERVER_ERROR'))).toEqual([]);
  });

  it('releases hundreds of streams that clients open and abort', async () => {
    const query = encodeURIComponent(
      `subscription { trainingProgress(modelId: "${owners.alices.waitingModel}") { status } }`,
    );
    const head = `GET /graphql/stream?query=${query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    const streams = await Promise.all(Array.from({ length: 100 }, () => RawConnection.open(port())));
    for (const { socket } of streams) socket.write(head);
    await until(() => streams.every(({ text }) => text.includes('event: next')));
    await timed('a good query beside 100 streams', expectWell);
    expect(streams.filter(({ text }) => text.startsWith('HTTP/1.1 200'))).toHaveLength(100);
    for (const { socket } of streams) socket.destroy();
    await Promise.all(streams.map((stream) => stream.rest()));
  });

  it('answers slow headers with 408 and slow bodies with 503, and does not delay other clients', async () => {
    const opening = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const authorization = `Authorization: Bearer ${token}\r\n`;
    const starts = [`${opening}${authorization}Content-Length: 100\r\n\r\n{`, opening];
    const drips = starts.map((start) => {
      const socket = connect(port(), '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('error', () => undefined);
      socket.write(start);
      const timer = setInterval(() => socket.write(start.endsWith('{') ? ' ' : 'X'), 500);
      return new Promise<string>((resolve) => {
        socket.on('data', () => resolve(text));
        socket.on('close', () => resolve(text));
      }).finally(() => {
        clearInterval(timer);
        socket.destroy();
      });
    });
    await timed('a good query beside slow ones', expectWell);
    const [body, headers] = await Promise.all(drips);
    expect(body).toMatch(/^HTTP\/1[.]1 503 [^]*"TIMEOUT"/);
    expect(headers).toMatch(/^HTTP\/1[.]1 408 [^]*"TIMEOUT"/);
  });

  it('keeps nothing of large operations in memory', async () => {
    const sendLarge = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index += 1) {
        const text = `${index}`.padEnd(200_000, 'x');
        const wrong = { query: `{ nothing(text: """${text}""") }` };
        const right = { query: 'query ($id: ID!) { model(id: $id) { id } }', variables: { id: text } };
        for (const transport of transports) {
          expect(codesIn(await owners.alice.execute(transport, wrong))).toEqual([
            'GRAPHQL_VALIDATION_FAILED',
          ]);
          expect(codesIn(await owners.alice.execute(transport, right))).toEqual([]);
        }
      }
    };
    await sendLarge(5);
    owners.alice.close();
    const before = usedBytes();
    await sendLarge(50);
    owners.alice.close();
    // Buffers of closed connections are released with a delay.
    await until(() => usedBytes() - before < 10e6);
  }, 90_000);

  it('keeps little of many documents of many words', async () => {
    const statuses = 'READY '.repeat(1_900);
    const before = usedBytes();
    for (let index = 0; index < 100; index += 1) {
      const query = `query Q${index} { models(first: 1, filter: { statuses: [${statuses}] }) { totalCount } }`;
      expect(codesIn(await owners.alice.execute('HTTP', { query }))).toEqual(['INVALID_INPUT']);
    }
    // The syntax tree of each takes half a megabyte.
    await until(() => usedBytes() - before < 27e6);
  }, 90_000);
});

describe('without introspection', () => {
  let gateway: TestGateway;
  let caller: Client;
  beforeAll(async () => {
    gateway = await TestGateway.start({
      AUTH: 'jwt',
      JWT_SECRET: jwtSecret,
      ROLE: 'api',
      INTROSPECTION: 'false',
    });
    caller = new Client(() => gateway.url, { token: await signed(jwtSecret, { subject: 'alice' }) });
  });
  afterAll(async () => {
    caller.close();
    await gateway.stop();
  });

  describe.each(transports)('over %s', (transport) => {
    it.each(pryingQueries)('hides $what', async ({ query, code }) => {
      const answer = await caller.execute(transport, { query });
      expect([...new Set(codesIn(answer))]).toEqual([code]);
      expect(answer.data).toBeUndefined();
    });

    it.each([
      ['a field', '{ viewr { owner } }'],
      ['an argument', '{ model(ids: "x") { id } }'],
      ['a type', '{ node(id: "x") { ... on AvatarModl { id } } }'],
      ['an enum', '{ models(status: READ) { nodes { id } } }'],
      ['a field of an input', 'mutation { trainModel(input: { typ: CAT }) { model { id } } }'],
    ])('suggests no similar name for %s', async (_what, query) => {
      const { errors } = await caller.execute(transport, { query });
      expect(errors!.length).toBeGreaterThan(0);
      expect(JSON.stringify(errors)).not.toMatch(/did you mean/i);
    });
  });
});

describe('a race for a quota of one', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start({
      AUTH: 'jwt',
      JWT_SECRET: jwtSecret,
      ROLE: 'api',
      QUOTA_TRAININGS_PER_DAY: '1',
    });
  });
  afterAll(() => gateway.stop());

  it('accepts one of fifty concurrent paid mutations', async () => {
    const caller = new Client(() => gateway.url, { token: await signed(jwtSecret, { subject: 'alice' }) });
    const query = 'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id } } }';
    const photoUrls = [1, 2, 3, 4, 5].map((number) => `https://example.com/${number}.jpg`);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        caller.execute('HTTP', { query, variables: { input: { type: 'CAT', photoUrls } } }),
      ),
    );
    expect(answers.filter(({ data, errors }) => data && !errors)).toHaveLength(1);
    const codes = answers.flatMap(codesIn);
    expect(codes).toHaveLength(49);
    // On a slow machine some wait too long for their turn.
    expect(codes.filter((code) => !['QUOTA_EXCEEDED', 'SERVICE_UNAVAILABLE'].includes(code))).toEqual([]);
    expect(
      await caller.request('{ models { nodes { id } } viewer { usage { trainingsToday } } }'),
    ).toMatchObject({
      models: { nodes: [expect.anything()] },
      viewer: { usage: { trainingsToday: 1 } },
    });
  });
});
