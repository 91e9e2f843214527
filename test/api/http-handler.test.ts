import { newId } from '../../src/core/ids';
import { pathOfField } from '../../src/core/input-problems';
import { send } from '../support/raw-client';
import { byWord, startTinyGateway, type TinyGateway, type TinyOptions } from '../support/tiny-gateway';
import { until } from '../support/until';

interface Refusal {
  code: string;
  message: string;
}

/** The extensions of an error about one invalid value. */
const invalidInput = (field: string, message: string): object => ({
  code: 'INVALID_INPUT',
  field,
  problems: [{ code: 'INVALID_INPUT', path: pathOfField(field), message }],
});

describe('the HTTP handler', () => {
  const gateways: TinyGateway[] = [];
  const start = async (options?: TinyOptions): Promise<TinyGateway> => {
    const gateway = await startTinyGateway(options);
    gateways.push(gateway);
    return gateway;
  };
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await start({
      checks: [{ name: 'database', check: () => Promise.resolve() }],
      routes: [
        {
          methods: ['GET'],
          path: '/odd/:part',
          handle: ({ params }) => Promise.reject(new Error(`${params.part} broke`)),
        },
        {
          methods: ['GET'],
          path: '/half',
          handle: ({ response }) => {
            response.write('half');
            throw new Error('broke');
          },
        },
      ],
    });
  });
  afterAll(() => Promise.all(gateways.map((one) => one.stop())));
  const get = (path: string, headers = {}): ReturnType<typeof send> =>
    send(`${gateway.url}${path}`, { headers });

  describe('answers errors', () => {
    it('with code, field, problems and details', async () => {
      const { status, data, errors } = await gateway.post('{ refused }');
      expect({ status, data }).toEqual({ status: 200, data: null });
      expect(errors).toEqual([
        {
          message: 'There are 4 photos; at least 5 are needed.',
          path: ['refused'],
          locations: [{ line: 1, column: 3 }],
          extensions: {
            code: 'TOO_FEW_PHOTOS',
            field: 'input.photoIds',
            problems: [
              {
                code: 'TOO_FEW_PHOTOS',
                path: ['input', 'photoIds'],
                message: 'There are 4 photos; at least 5 are needed.',
              },
            ],
            given: 4,
            minimum: 5,
          },
        },
      ]);
    });

    it('masks internal errors, with an id that the log contains', async () => {
      const requestId = newId();
      const { errors } = await gateway.post('{ a: broken b: greeting }', undefined, {
        'x-request-id': requestId,
      });
      expect(errors?.[0]).toMatchObject({
        message: `Internal server error. It was logged with request id ${requestId}.`,
        extensions: { code: 'INTERNAL_SERVER_ERROR' },
      });
      const lines = gateway.log.filter((line) => line.requestId === requestId && line.level === 50);
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ error: { message: 'duplicate key in SELECT secret' } });
      expect(JSON.stringify(lines)).not.toContain('a prompt');
    });

    it.each([
      ['an unknown enum value', { input: { type: 'ROBOT' } }, 'input.type'],
      ['a missing field', { input: {} }, 'input.type'],
      ['a missing variable', {}, 'input'],
      ['null', { input: null }, 'input'],
      [
        'a wrong list element',
        { input: { type: 'MAN', photoUrls: ['http://a.b', 'ftp://x/?sig=1'] } },
        'input.photoUrls[1]',
      ],
      ['an unknown field', { input: { type: 'MAN', extra: 1 } }, 'input.extra'],
    ])('with the field of an invalid variable: %s', async (_what, variables, field) => {
      const query = 'mutation ($input: TrainInput!) { trainModel(input: $input) }';
      const { errors } = await gateway.post(query, variables);
      expect(errors).toHaveLength(1);
      expect(errors![0]!.extensions).toEqual(invalidInput(field, errors![0]!.message));
      expect(JSON.stringify(errors)).not.toContain('sig=1');
      expect(gateway.witness.trained).toEqual([]);
    });

    it.each([
      ['trainModel(input: { type: ROBOT })', 'input.type'],
      ['trainModel(input: { type: MAN, photoUrls: ["http://a.b", "gopher://x"] })', 'input.photoUrls[1]'],
      ['trainModel(input: {})', 'input.type'],
      ['trainModel(input: { type: MAN, extra: 1 })', 'input.extra'],
    ])('with the field of an invalid literal: %s', async (field, path) => {
      const { errors } = await gateway.post(`mutation { ${field} }`);
      expect(errors![0]!.extensions).toEqual(invalidInput(path, errors![0]!.message));
    });

    it.each([
      ['{', 'GRAPHQL_PARSE_FAILED'],
      ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
      ['query A { greeting } query B { greeting }', 'OPERATION_RESOLUTION_FAILURE'],
    ])('with the standard GraphQL codes: %s', async (query, code) => {
      expect((await gateway.post(query)).errors?.[0]?.extensions).toEqual({ code });
    });

    it.each([
      ['/nowhere', 'GET', 404, 'NOT_FOUND'],
      ['/healthz', 'POST', 405, 'INVALID_INPUT'],
      ['/odd/%E0%A4%A', 'GET', 404, 'NOT_FOUND'],
    ])('as JSON on other routes: %s', async (path, method, status, code) => {
      const answer = await send(`${gateway.url}${path}`, { method });
      expect(answer.status).toBe(status);
      expect((JSON.parse(answer.text) as Refusal).code).toBe(code);
    });

    it('masked on other routes, and aborts a started response', async () => {
      const { status, text } = await get('/odd/secret');
      expect(status).toBe(500);
      expect(text).toContain('INTERNAL_SERVER_ERROR');
      expect(text).not.toContain('broke');
      await expect(get('/half')).rejects.toThrow('aborted');
    });
  });

  it('authenticates before it reads the body', async () => {
    const guarded = await start({ authenticate: byWord });
    const rejected = await guarded.post('{ owner }');
    expect(rejected.status).toBe(401);
    expect(rejected.errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED');
    const accepted = await guarded.post('{ owner }', undefined, { authorization: 'Bearer good-1' });
    expect(accepted.data).toEqual({ owner: 'good-1' });
    const outage = await guarded.post('{ owner }', undefined, { authorization: 'Bearer outage' });
    expect(outage.status).toBe(500);
    expect(JSON.stringify(outage)).not.toContain('10.1.2.3');
  });

  it('ends an operation at its time limit', async () => {
    const hasty = await start({ operationMs: 50 });
    const { status, errors } = await hasty.post('{ slow(ms: 400) }');
    expect(status).toBe(503);
    expect(errors?.[0]?.extensions.code).toBe('TIMEOUT');
  });

  it('hides the schema from unauthorised clients', async () => {
    const closed = await start({ introspection: false });
    const { errors: asked } = await closed.post('{ __schema { types { name } } }');
    expect(asked?.[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
    const { errors: guessed } = await closed.post('{ greetin }');
    expect(guessed?.[0]?.message).toBe('Cannot query field "greetin" on type "Query".');
    const query = 'mutation ($input: TrainInput!) { trainModel(input: $input) }';
    const { errors: mistaken } = await closed.post(query, { input: { type: 'MANN' } });
    expect(mistaken?.[0]?.message).toBe('The value does not exist in "Kind" enum.');
  });

  it('sends security headers', async () => {
    const { headers } = await get('/healthz');
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
    });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('logs each request once without its query', async () => {
    const requestId = newId();
    await get('/odd/thing?signature=secret', { 'x-request-id': requestId });
    await until(() => gateway.log.some((line) => line.requestId === requestId && line.msg === 'request'));
    const lines = gateway.log.filter((line) => line.requestId === requestId && line.msg === 'request');
    expect(lines).toEqual([
      expect.objectContaining({ level: 30, method: 'GET', path: '/odd/thing', status: 500 }),
    ]);
    expect(JSON.stringify(gateway.log)).not.toContain('secret?');
    expect(JSON.stringify(lines)).not.toContain('signature');
  });

  it('reports readiness with the name of each check and without reasons', async () => {
    expect(JSON.parse((await get('/readyz')).text)).toEqual({ status: 'ready', checks: { database: 'ok' } });
    const ill = await start({
      checks: [
        { name: 'database', check: () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.7')) },
        { name: 'media', check: () => new Promise(() => undefined) },
      ],
    });
    const { status, text } = await send(`${ill.url}/readyz`);
    expect(status).toBe(503);
    expect(JSON.parse(text)).toEqual({ status: 'unready', checks: { database: 'failed', media: 'failed' } });
    expect((await send(`${ill.url}/healthz`)).status).toBe(200);
  });

  it('serves metrics to this machine only, and not through a proxy', async () => {
    expect((await get('/metrics')).status).toBe(200);
    expect((await get('/metrics', { 'x-forwarded-for': '203.0.113.9' })).status).toBe(404);
  });
});
