import { once } from 'node:events';
import { createClient } from 'graphql-sse';
import type { Authenticate } from '../../src/http/graphql/transport';
import { RawConnection, send, sendHeaders } from '../support/raw-client';
import { byWord, startTinyGateway, type TinyGateway, type TinyOptions } from '../support/tiny-gateway';
import { until } from '../support/until';

interface Request {
  body?: string;
  headers?: Record<string, string>;
  method?: string;
  path?: string;
}

const stream = { accept: 'text/event-stream', 'content-type': 'application/json' };

describe('the SSE handler', () => {
  const gateways: TinyGateway[] = [];
  const start = async (options?: TinyOptions): Promise<TinyGateway> => {
    const gateway = await startTinyGateway(options);
    gateways.push(gateway);
    return gateway;
  };
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await start();
  });
  afterAll(() => Promise.all(gateways.map((one) => one.stop(200))));

  /** The text of a stream until its end. */
  const received = async (query: string, headers = {}, at = gateway): Promise<string> =>
    (
      await send(
        `${at.url}/graphql/stream`,
        { method: 'POST', headers: { ...stream, ...headers } },
        JSON.stringify({ query }),
      )
    ).text;

  const openSilence = async (at: TinyGateway, path = '/graphql/stream'): Promise<RawConnection> => {
    const connection = await RawConnection.open(at.port);
    const query = encodeURIComponent('subscription { silence }');
    connection.socket.write(
      `GET ${path}?query=${query} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`,
    );
    await until(() => at.witness.open > 0);
    return connection;
  };

  it('works with graphql-sse', async () => {
    const client = createClient({ url: `${gateway.url}/graphql/stream`, retryAttempts: 0 });
    const results: unknown[] = [];
    for await (const result of client.iterate({ query: 'subscription { countdown(from: 3) }' }))
      results.push(result);
    for await (const result of client.iterate({ query: '{ owner }' })) results.push(result);
    for await (const result of client.iterate({ query: 'mutation { trainModel(input: { type: MAN }) }' }))
      results.push(result);
    expect(results).toEqual([
      ...[3, 2, 1].map((countdown) => ({ data: { countdown } })),
      { data: { owner: 'local' } },
      { data: { trainModel: 'MAN' } },
    ]);
    client.dispose();
  });

  it('sends next for each result and complete at the end, with fresh data for every event', async () => {
    expect(await received('subscription { loaded }')).toBe(
      ':\n\n' +
        [1, 2, 3].map((loaded) => `event: next\ndata: {"data":{"loaded":${loaded}}}\n\n`).join('') +
        'event: complete\ndata:\n\n',
    );
  });

  it.each([
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    [`{ ${'owner '.repeat(21)} }`, 'QUERY_TOO_COMPLEX'],
    ['{ refused }', 'TOO_FEW_PHOTOS'],
    ['{ broken }', 'INTERNAL_SERVER_ERROR'],
    ['subscription { countdown(from: 1001) }', 'INVALID_INPUT'],
    ['subscription { failing }', 'SUBSCRIBER_TOO_SLOW'],
  ])('returns errors as over HTTP, and completes: %s', async (query, code) => {
    const text = await received(query);
    expect(text).toContain(`"code":"${code}"`);
    expect(text.endsWith('event: complete\ndata:\n\n')).toBe(true);
  });

  it.each<[string, Request, number]>([
    ['a body past 256 kB', { body: 'x'.repeat(256_001) }, 413],
    ['no JSON', { body: 'hello' }, 400],
    [
      'another type of body',
      { body: '{"query":"{ owner }"}', headers: { 'content-type': 'text/plain' } },
      415,
    ],
    [
      'clients that accept only JSON',
      { body: '{"query":"{ owner }"}', headers: { accept: 'application/json' } },
      400,
    ],
    [
      'pages of other origins',
      { body: '{"query":"{ owner }"}', headers: { origin: 'https://evil.example' } },
      403,
    ],
    ['DELETE', { method: 'DELETE' }, 405],
    ['a mutation by GET', { method: 'GET', path: '?query=mutation{trainModel(input:{type:CAT})}' }, 405],
  ])('rejects %s', async (_what, { body, headers, method, path }, status) => {
    const answer = await send(
      `${gateway.url}/graphql/stream${path ?? ''}`,
      { method: method ?? 'POST', headers: { ...stream, ...headers } },
      body,
    );
    expect(answer.status).toBe(status);
    expect(answer.text).toContain('"code"');
    expect(gateway.witness.trained).not.toContain('CAT');
  });

  it('authenticates, and ends when the credentials expire', async () => {
    const guarded = await start({ authenticate: byWord });
    expect(await received('{ owner }', {}, guarded)).toContain('UNAUTHENTICATED');
    const text = await received('subscription { silence }', { authorization: 'Bearer good-short' }, guarded);
    expect(text).toContain('"code":"UNAUTHENTICATED"');
    expect(text).toContain('event: complete');
    const revoked = received('subscription { silence }', { authorization: 'Bearer good-1' }, guarded);
    await until(() => guarded.witness.open === 1);
    guarded.sessions.endRevoked('good-1');
    expect(await revoked).toContain('Your API key was revoked.');
    await until(() => guarded.witness.open === 0);
  });

  it.each(['/graphql', '/graphql/stream'])(
    'refuses credentials that end while the body is received at %s',
    async (path) => {
      let authenticated = 0;
      const authenticate: Authenticate = async (credentials) => {
        const viewer = await byWord(credentials);
        authenticated += 1;
        return viewer;
      };
      const guarded = await start({ authenticate });
      const begin = (token: string): ReturnType<typeof sendHeaders> =>
        sendHeaders(`${guarded.url}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: '*/*', authorization: `Bearer ${token}` },
        });
      const body = JSON.stringify({ query: 'mutation { trainModel(input: { type: CAT }) }' });
      const [revoked, expired, valid] = ['good-1', 'good-short', 'good-2'].map(begin);
      await until(() => authenticated === 3);
      guarded.revoked.add('good-1');
      const endMs = Date.now() + 150;
      await until(() => Date.now() > endMs);
      for (const send of [revoked!, expired!]) expect(await send(body)).toMatchObject({ status: 401 });
      expect(guarded.witness.trained).toEqual([]);
      expect(await valid!(body)).toMatchObject({ status: 200 });
    },
  );

  it('releases a waiting subscription when the client disconnects', async () => {
    const connection = await openSilence(gateway);
    expect(gateway.witness.open).toBe(1);
    connection.socket.destroy();
    await until(() => gateway.witness.open === 0);
  });

  it('sends pings that keep idle connections open', async () => {
    const lively = await start({ streams: { pingMs: 20 } });
    const connection = await openSilence(lively);
    await until(() => connection.text.split(':\n\n').length > 4);
    expect(connection.text).toContain('text/event-stream');
    connection.socket.destroy();
  });

  it('disconnects a client that does not read, and buffers nothing for it', async () => {
    const strict = await start({ streams: { maxReadMs: 100 } });
    const connection = await RawConnection.open(strict.port);
    connection.socket.pause();
    const query = encodeURIComponent('subscription { flood }');
    connection.socket.write(`GET /graphql/stream?query=${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until(() => strict.witness.open === 1);
    await until(() => strict.witness.open === 0);
    connection.socket.resume();
    await connection.rest();
    expect(connection.text).not.toContain('event: complete');
  });

  it('ends without complete when it stops, so that clients reconnect', async () => {
    const leaving = await startTinyGateway();
    const connection = await openSilence(leaving);
    const closed = once(connection.socket, 'close');
    await leaving.stop();
    await closed;
    expect(connection.text).toContain('text/event-stream');
    expect(connection.text).not.toContain('complete');
    expect(connection.text).toMatch(/\nretry: [1-9]\d{0,3}\n\n/);
    expect(leaving.witness.open).toBe(0);
  });
});
