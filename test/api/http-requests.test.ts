import { RawConnection, send } from '../support/raw-client';
import { startTinyGateway, type TinyGateway, type TinyOptions } from '../support/tiny-gateway';
import { until } from '../support/until';

describe('the HTTP handler accepts', () => {
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
  afterAll(() => Promise.all(gateways.map((one) => one.stop())));
  const get = (path: string, headers = {}): ReturnType<typeof send> =>
    send(`${gateway.url}${path}`, { headers });

  it.each([
    ['a body past 256 kB', 'x'.repeat(256_001), 'application/json', 413, 'REQUEST_TOO_LARGE'],
    ['no JSON', '{ "query', 'application/json', 400, 'INVALID_INPUT'],
    ['nothing', '', 'application/json', 400, 'INVALID_INPUT'],
    ['JSON 5000 levels deep', '['.repeat(5_000), 'application/json', 400, 'INVALID_INPUT'],
    ['several operations at once', '[{"query":"{ greeting }"}]', 'application/json', 400, 'BAD_REQUEST'],
    ['text', '{"query":"{ greeting }"}', 'text/plain', 415, 'INVALID_INPUT'],
    ['a form', 'query={greeting}', 'application/x-www-form-urlencoded', 415, 'INVALID_INPUT'],
    ['UTF-16', '{"query":"{ greeting }"}', 'application/json; charset=utf-16', 415, 'INVALID_INPUT'],
  ])('no %s', async (_what, body, type, status, code) => {
    const answer = await send(
      `${gateway.url}/graphql`,
      { method: 'POST', headers: { 'content-type': type } },
      body,
    );
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(`"code":"${code}"`);
  });

  it('no variables with more than 2000 fields', async () => {
    const statusWith = async (fields: number): Promise<number> => {
      const a = [Object.fromEntries(Array.from({ length: fields - 1 }, (_, index) => [`k${index}`, index]))];
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ query: '{ greeting }', variables: { a } });
      return (await send(`${gateway.url}/graphql`, { method: 'POST', headers }, body)).status;
    };
    expect(await statusWith(2_000)).toBe(200);
    expect(await statusWith(2_001)).toBe(400);
  });

  it('no chunked body over the limit, and responds at once', async () => {
    const connection = await RawConnection.open(gateway.port);
    connection.socket.write(
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    connection.socket.write(`${(300_000).toString(16)}\r\n${'x'.repeat(300_000)}\r\n`);
    await until(() => connection.text.includes('REQUEST_TOO_LARGE'));
    expect(connection.text).toMatch(/^HTTP\/1.1 413 /);
    connection.socket.destroy();
  });

  it('a query by GET if it asks for JSON by name, and no mutation', async () => {
    const accept = { accept: 'application/json' };
    expect((await get('/graphql?query={greeting}', accept)).text).toContain('Hello world');
    expect((await get('/graphql?query=mutation{trainModel(input:{type:MAN})}', accept)).status).toBe(405);
    expect(gateway.witness.trained).toEqual([]);
  });

  it('no GET that any page could have made a browser send', async () => {
    expect((await get('/graphql?query={greeting}', { accept: '*/*' })).status).toBe(400);
    const crossSite = { accept: 'application/json', 'sec-fetch-site': 'cross-site' };
    expect((await get('/graphql?query={greeting}', crossSite)).status).toBe(403);
  });

  it('nothing from a page of another origin', async () => {
    const { status, errors } = await gateway.post('{ greeting }', undefined, {
      origin: 'https://evil.example',
    });
    expect(status).toBe(403);
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN');
  });

  it('nothing for a name that is not this machine’s, since a page could have made one point here', async () => {
    const { status, text } = await get('/healthz', { host: 'evil.example:4000' });
    expect(status).toBe(403);
    expect(text).toContain('PUBLIC_URL');
    for (const host of ['localhost', 'localhost:4000', '127.0.0.1', '[::1]:4000', 'LOCALHOST']) {
      expect((await get('/healthz', { host })).status).toBe(200);
    }
    const named = await start({ publicUrl: 'https://avatars.example.com' });
    const answer = await send(`${named.url}/healthz`, { headers: { host: 'avatars.example.com' } });
    expect(answer.status).toBe(200);
    expect(answer.headers['strict-transport-security']).toBe('max-age=31536000');
  });

  it('pages of allowed origins, with CORS headers', async () => {
    const origin = 'https://app.example.com';
    const open = await start({ allowedOrigins: [origin] });
    const preflight = await send(`${open.url}/graphql`, { method: 'OPTIONS', headers: { origin } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST',
    });
    const allowed = String(preflight.headers['access-control-allow-headers']).toLowerCase().split(', ');
    const sent = [
      ...['authorization', 'content-type', 'x-likeness-owner', 'last-event-id', 'apollo-require-preflight'],
      ...['apollographql-client-name', 'apollographql-client-version', 'traceparent', 'baggage'],
    ];
    expect(allowed).toEqual(expect.arrayContaining(sent));
    expect((await open.post('{ greeting }', undefined, { origin })).status).toBe(200);
    const foreign = await send(`${open.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'https://x.y' },
    });
    expect(foreign.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('what is no HTTP, or has headers past 16 kB, for what it is', async () => {
    for (const [bytes, status] of [
      ['hello\r\n\r\n', 400],
      [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ] as const) {
      const connection = await RawConnection.open(gateway.port);
      connection.socket.write(bytes);
      expect(await connection.rest()).toMatch(new RegExp(`^HTTP/1.1 ${status} .*"code"`, 's'));
    }
  });
});
