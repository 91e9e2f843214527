import { TestGateway } from '../support/gateway';
import { GraphQLClient, type HttpResult } from '../support/graphql-client';
import { Issuer, signed, unsigned, type TokenOptions } from '../support/issuer';
import { SocketClient } from '../support/raw-client';
import { until } from '../support/until';

const secret = 'a secret that two programs share, 40 bytes';
const who = '{ viewer { owner scopes } }';
const good = { issuer: 'https://login.example.com', audience: 'likeness' };

describe('tokens', () => {
  let issuer: Issuer;
  let gateway: TestGateway;

  beforeAll(async () => {
    issuer = await Issuer.start('RS256');
    gateway = await TestGateway.start({
      ROLE: 'api',
      AUTH: 'jwt',
      JWT_JWKS_URL: issuer.jwksUrl,
      JWT_SECRET: secret,
      JWT_ISSUER: good.issuer,
      JWT_AUDIENCE: good.audience,
    });
    for (const algorithm of ['ES256', 'PS256', 'EdDSA']) await issuer.add(algorithm, algorithm);
    await issuer.add('hidden', 'RS256', false);
  });
  afterAll(async () => {
    await gateway.stop();
    await issuer.stop();
  });

  const ask = (token: string | null, headers?: Record<string, string>): Promise<HttpResult> =>
    new GraphQLClient(() => gateway.url, { token, headers }).post(who);
  const token = (options: TokenOptions = {}): Promise<string> => issuer.token({ ...good, ...options });

  it.each(['first', 'ES256', 'PS256', 'EdDSA'])(
    'identify the owner by `sub`, signed with %s',
    async (kid) => {
      const { status, data } = await ask(await token({ kid, subject: 'auth0|alice@example.com' }));
      expect({ status, data }).toEqual({
        status: 200,
        data: { viewer: { owner: 'auth0|alice@example.com', scopes: ['read', 'write'] } },
      });
    },
  );

  it('are accepted with a shared secret', async () => {
    const { data } = await ask(await signed(secret, { ...good, subject: 'bob' }));
    expect(data).toMatchObject({ viewer: { owner: 'bob' } });
  });

  it.each([
    [{ scope: 'likeness:read' }, ['read']],
    [{ scope: 'openid likeness:read likeness:write likeness:admin' }, ['read', 'write', 'admin']],
    [{ scp: ['read', 'write'] }, ['read', 'write']],
    [{ scp: 'likeness.read' }, ['read']],
    [{ scope: 'read admin' }, ['read']],
    [{ scope: 'openid profile email' }, ['read', 'write']],
    [{ scope: 42 }, ['read', 'write']],
  ])('are limited to their scopes: %j', async (claims, scopes) => {
    const { data } = await ask(await token({ claims }));
    expect(data).toMatchObject({ viewer: { scopes } });
  });

  it('with this audience and no scope allow nothing', async () => {
    const { errors } = await ask(await token({ claims: { scope: 'likeness:nothing' } }));
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN', needed: 'read', given: [] } }]);
  });

  it('are accepted while clocks differ by less than a minute', async () => {
    const nearly = await ask(await token({ endsInSeconds: -50 }));
    const early = await ask(await token({ claims: { nbf: Math.floor(Date.now() / 1_000) + 50 } }));
    expect([nearly.status, early.status]).toEqual([200, 200]);
  });

  const refused: [what: string, make: () => Promise<string> | string][] = [
    ['expired', () => token({ endsInSeconds: -70 })],
    ['without an end', () => token({ endsInSeconds: null })],
    ['with an expiry that is not a number', () => token({ claims: { exp: 'never' as unknown as number } })],
    ['not valid yet', () => token({ claims: { nbf: Math.floor(Date.now() / 1_000) + 70 } })],
    ['of another issuer', () => token({ issuer: 'https://evil.example.com' })],
    ['for another audience', () => token({ audience: ['photos', 'mail'] })],
    ['for no audience', () => token({ audience: undefined })],
    ['without a subject', () => token({ subject: null })],
    ['with an empty subject', () => token({ subject: '' })],
    ['with a subject of 256 characters', () => token({ subject: 'x'.repeat(256) })],
    ['with a line break in the subject', () => token({ subject: 'alice\nbob' })],
    ['with a NUL in the subject', () => token({ subject: 'alice\0' })],
    ['with half a surrogate pair in the subject', () => token({ subject: 'alice\ud83d' })],
    ['with a subject like one that a key acts for', () => token({ subject: '@acme/alice' })],
    ['not signed at all', () => unsigned({ sub: 'alice', iss: good.issuer, aud: good.audience })],
    ['signed with a key that is not published', () => token({ kid: 'hidden' })],
    ['signed with another secret', () => signed('another secret, which is long enough too', good)],
    [
      'signed with the public key as a secret',
      async () => signed(await issuer.publicPem('first'), { ...good, kid: 'first' }),
    ],
    [
      'signed with the secret by a stronger hash',
      () => signed(`${secret}${secret}`, { ...good, algorithm: 'HS512' }),
    ],
    ['of 10 kB', () => token({ claims: { more: 'x'.repeat(10_000) } })],
    ['of no form at all', () => 'not-a-token'],
    ['of the form of a key', () => `lk_0123456789abcdef_${'x'.repeat(43)}`],
  ];

  it.each(refused)('are rejected when they are %s', async (_what, make) => {
    const proof = await make();
    const { status, data, errors, ms } = await ask(proof);
    expect({ status, data }).toEqual({ status: 401, data: undefined });
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    expect(JSON.stringify(errors)).not.toContain(proof);
    expect(ms).toBeLessThan(250);
  });

  it.each([
    ['nothing', {}],
    ['another scheme', { authorization: 'Basic YWxpY2U6c2VjcmV0' }],
    ['no scheme', { authorization: 'abcdef' }],
    ['two proofs', { authorization: 'Bearer one, Bearer two' }],
  ])('are required when the header holds %s', async (_what, headers: Record<string, string>) => {
    const { status, errors } = await ask(null, headers);
    expect(status).toBe(401);
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('do not act for other users', async () => {
    const headers = { 'x-likeness-owner': 'bob' };
    const { status, errors } = await ask(await token(), headers);
    expect(status).toBe(403);
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
  });

  describe('on a socket', () => {
    it.each(['Authorization', 'authorization'])('are sent in connection_init as %s', async (name) => {
      const client = await SocketClient.greeted(gateway.url, { [name]: `Bearer ${await token()}` });
      client.subscribe('1', who);
      expect(await client.ended('1')).toMatchObject([
        { type: 'next', payload: { data: { viewer: { owner: 'alice' } } } },
        { type: 'complete' },
      ]);
      client.socket.close();
    });

    it('are read from the header of its request if present', async () => {
      const headers = { authorization: `Bearer ${await token({ subject: 'program' })}` };
      const client = await SocketClient.open(gateway.url, undefined, { headers });
      client.send({ type: 'connection_init' });
      await until(() => client.messages.length > 0);
      client.subscribe('1', who);
      expect(await client.ended('1')).toMatchObject([
        { payload: { data: { viewer: { owner: 'program' } } } },
        {},
      ]);
      client.socket.close();
    });

    it.each([
      ['without a token', async () => undefined],
      [
        'with one that has expired',
        async () => ({ Authorization: `Bearer ${await token({ endsInSeconds: -90 })}` }),
      ],
      ['with one that is not a string', async () => ({ Authorization: 42 })],
    ])('close it with 4403 %s', async (_what, params) => {
      const client = await SocketClient.greeted(gateway.url, await params());
      expect(await client.end()).toMatchObject({ code: 4403 });
    });

    it('close it with 4403 when they expire, with the same leeway as requests', async () => {
      const client = await SocketClient.greeted(gateway.url, {
        Authorization: `Bearer ${await token({ endsInSeconds: -55 })}`,
      });
      client.subscribe('1', who);
      expect(await client.ended('1')).toHaveLength(2);
      expect(client.closed).toBeNull();
      expect(await client.end()).toMatchObject({ code: 4403 });
    });
  });

  it('are sent in the header of a stream', async () => {
    const open = async (proof: string): Promise<Response> =>
      fetch(`${gateway.url}/graphql/stream`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'text/event-stream',
          authorization: `Bearer ${proof}`,
        },
        body: JSON.stringify({ query: who }),
      });
    const answer = await open(await token());
    expect(await answer.text()).toContain('"owner":"alice"');
    expect((await open('nonsense')).status).toBe(401);
  });
});

describe('an unavailable issuer', () => {
  it('causes SERVICE_UNAVAILABLE, not a rejection', async () => {
    const issuer = await Issuer.start();
    issuer.broken = { status: 500, body: 'sorry' };
    const gateway = await TestGateway.start({ ROLE: 'api', AUTH: 'jwt', JWT_JWKS_URL: issuer.jwksUrl });
    const { status, errors } = await new GraphQLClient(() => gateway.url, {
      token: await issuer.token(),
    }).post(who);
    expect(status).toBe(503);
    expect(errors).toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE' } }]);
    const client = await SocketClient.greeted(gateway.url, {
      authorization: `Bearer ${await issuer.token()}`,
    });
    expect(await client.end()).toMatchObject({ code: 1013 });
    await gateway.stop();
    await issuer.stop();
  });
});
