import { once } from 'node:events';
import type { Database } from '../../src/database/database';
import { Client } from '../support/client';
import { likeness, type CommandResult } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { GraphQLClient, type HttpResult } from '../support/graphql-client';
import { Issuer } from '../support/issuer';
import { SocketClient } from '../support/raw-client';
import { until } from '../support/until';

const who = '{ viewer { owner scopes } }';
const upload =
  'mutation { createPhotoUploads(input: { files: [{ filename: "a.jpg", contentType: "image/jpeg", byteSize: 1000 }] }) { uploads { photo { id } } } }';
const refusal = 'The API key is not valid: it is unknown, has expired or was revoked.';

describe('API keys', () => {
  let issuer: Issuer;
  let gateway: TestGateway;
  let sql: Database;

  beforeAll(async () => {
    issuer = await Issuer.start();
    gateway = await TestGateway.start({ ROLE: 'api', AUTH: 'keys, jwt', JWT_JWKS_URL: issuer.jwksUrl });
    sql = await gateway.database.pool(2);
  });
  afterAll(async () => {
    await gateway.stop();
    await issuer.stop();
  });

  const operate = (...words: string[]): Promise<CommandResult> =>
    likeness({ DATABASE_URL: gateway.database.url }, ...words);
  const newKey = async (...options: string[]): Promise<string> =>
    (await operate('keys', 'create', '--owner', 'acme', ...options)).out;
  const idOf = (key: string): string => key.split('_')[1]!;
  const ask = (token: string, query = who, headers?: Record<string, string>): Promise<HttpResult> =>
    new GraphQLClient(() => gateway.url, { token, headers }).post(query);
  const codeOf = ({ errors }: HttpResult): string | undefined => errors?.[0]?.extensions.code;

  it('authenticate their owner, also alongside tokens', async () => {
    const { data } = await ask(await newKey());
    expect(data).toEqual({ viewer: { owner: 'acme', scopes: ['read', 'write'] } });
    expect((await ask(await issuer.token())).data).toMatchObject({ viewer: { owner: 'alice' } });
  });

  it('are stored as hashes only', async () => {
    const key = await newKey();
    const [row] = await sql.rows<Record<string, unknown>>('SELECT * FROM api_keys WHERE id = $1', [
      idOf(key),
    ]);
    expect(key).toMatch(/^lk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    expect(JSON.stringify(row)).not.toContain(key.slice(20));
  });

  it('are rejected alike if unknown or with a wrong secret, and never echoed', async () => {
    const key = await newKey();
    const wrong = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`;
    const unknown = `lk_${'0'.repeat(16)}_${key.slice(20)}`;
    for (const bad of [wrong, unknown]) {
      const { status, errors } = await ask(bad);
      expect(status).toBe(401);
      expect(errors).toEqual([{ message: refusal, extensions: { code: 'UNAUTHENTICATED' } }]);
    }
    const formless = await ask('lk_what_is_this');
    expect(codeOf(formless)).toBe('UNAUTHENTICATED');
    expect(JSON.stringify(formless.errors)).not.toContain('what_is');
  });

  it.each([
    ['read', { query: 'done', mutation: 'FORBIDDEN', subscription: 'done' }],
    ['write', { query: 'FORBIDDEN', mutation: 'done', subscription: 'FORBIDDEN' }],
    ['admin', { query: 'FORBIDDEN', mutation: 'FORBIDDEN', subscription: 'FORBIDDEN' }],
  ])('are limited to their scopes: %s', async (scopes, allowed) => {
    const key = await newKey('--scopes', scopes);
    const { id } = await aModelOf('acme');
    const client = await SocketClient.greeted(gateway.url, { authorization: `Bearer ${key}` });
    client.subscribe('1', `subscription { trainingProgress(modelId: "${id}") { status } }`);
    await until(() => client.of('1').length > 0);
    client.socket.close();
    expect({
      query: codeOf(await ask(key)) ?? 'done',
      mutation: codeOf(await ask(key, upload)) ?? 'done',
      subscription: JSON.stringify(client.of('1')).includes('FORBIDDEN') ? 'FORBIDDEN' : 'done',
    }).toEqual(allowed);
  });

  it('get FORBIDDEN from estimates of requests that they may not make', async () => {
    const photo = '{ url: "https://photos.example.com/1.jpg" }';
    const query = `{ estimateCost(input: { generateInstantAvatars: { photo: ${photo}, prompt: "p", count: 1 } }) { refusal } }`;
    const refusalOf = async (...options: string[]): Promise<unknown> =>
      (await ask(await newKey(...options), query)).data;
    expect(await refusalOf('--scopes', 'read')).toEqual({ estimateCost: { refusal: 'FORBIDDEN' } });
    expect(await refusalOf()).toEqual({ estimateCost: { refusal: null } });
  });

  it('give access to the status for operators only', async () => {
    const query =
      '{ operator { jobs { kind status count } lagSeconds lagMs accounts { creditsAvailable } pendingMediaDeletions doomedMedia } }';
    const { data } = await ask(await newKey('--scopes', 'admin'), query);
    expect(data).toMatchObject({ operator: { pendingMediaDeletions: 0, doomedMedia: 0 } });
    expect(await ask(await newKey('--scopes', 'read,write'), query)).toMatchObject({
      data: { operator: null },
      errors: [{ extensions: { code: 'FORBIDDEN', needed: 'admin', given: ['read', 'write'] } }],
    });
  });

  it('are rejected once revoked, and their sockets and streams are closed', async () => {
    const key = await newKey();
    const other = await newKey();
    const { id } = await aModelOf('acme');
    const [socket, unharmed] = await Promise.all(
      [key, other].map((one) => SocketClient.greeted(gateway.url, { Authorization: `Bearer ${one}` })),
    );
    const stream = await fetch(`${gateway.url}/graphql/stream`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${key}`,
      },
      body: JSON.stringify({ query: `subscription { trainingProgress(modelId: "${id}") { status } }` }),
    });
    expect(stream.status).toBe(200);
    await operate('keys', 'revoke', idOf(key));
    expect(await ask(key)).toMatchObject({ status: 401, errors: [{ message: refusal }] });
    expect(await socket!.end()).toMatchObject({ code: 4403 });
    expect(await stream.text()).toContain('UNAUTHENTICATED');
    unharmed!.subscribe('1', who);
    expect(await unharmed!.ended('1')).toHaveLength(2);
    unharmed!.socket.close();
    await once(unharmed!.socket, 'close');
  });

  it('expire at their end date', async () => {
    const key = await newKey('--expires', '2s');
    const client = await SocketClient.greeted(gateway.url, { authorization: `Bearer ${key}` });
    client.subscribe('1', who);
    expect(await client.ended('1')).toHaveLength(2);
    expect(await client.end()).toMatchObject({ code: 4403 });
    // By the clock of the database, which may differ by milliseconds.
    let answer = await ask(key);
    while (answer.status === 200) answer = await ask(key);
    expect(answer.errors).toMatchObject([{ message: refusal }]);
  });

  it('record their last use, once a minute', async () => {
    const key = await newKey();
    const lastUse = async (): Promise<number | undefined> => {
      const [row] = await sql.rows<{ last_used_at: Date | null }>(
        'SELECT last_used_at FROM api_keys WHERE id = $1',
        [idOf(key)],
      );
      return row?.last_used_at?.getTime();
    };
    expect(await lastUse()).toBeUndefined();
    await ask(key);
    const first = await lastUse();
    expect(first).toBeGreaterThan(0);
    await Promise.all(Array.from({ length: 5 }, () => ask(key)));
    expect(await lastUse()).toBe(first);
    await sql.rows(`UPDATE api_keys SET last_used_at = last_used_at - interval '61 s' WHERE id = $1`, [
      idOf(key),
    ]);
    await ask(key);
    expect(await lastUse()).toBeGreaterThan(first!);
  });

  describe('of a backend', () => {
    const behalf = (subject: string): Record<string, string> => ({ 'x-likeness-owner': subject });

    it('act for each of its users, whose data are separate', async () => {
      const key = await newKey('--on-behalf');
      for (const [subject, owner] of [
        ['bob', '@acme/bob'],
        ['a/b|c', '@acme/a/b|c'],
      ]) {
        expect((await ask(key, who, behalf(subject!))).data).toMatchObject({ viewer: { owner } });
      }
      const { data } = await ask(key, upload, behalf('bob'));
      const { id } = (data as { createPhotoUploads: { uploads: { photo: { id: string } }[] } })
        .createPhotoUploads.uploads[0]!.photo;
      const photo = `{ photo(id: "${id}") { id } }`;
      expect((await ask(key, photo, behalf('bob'))).data).toEqual({ photo: { id } });
      const otherUsers = [
        await ask(key, photo, behalf('carol')),
        await ask(key, photo),
        await ask(await newKey(), photo),
        await ask(await issuer.token({ subject: 'bob' }), photo),
      ];
      expect(otherUsers.map(({ data: seen }) => seen)).toEqual(otherUsers.map(() => ({ photo: null })));
    });

    it('act for users over WebSocket too', async () => {
      const key = await newKey('--on-behalf');
      const client = await SocketClient.greeted(gateway.url, {
        Authorization: `Bearer ${key}`,
        'X-Likeness-Owner': 'bob',
      });
      client.subscribe('1', who);
      expect(await client.ended('1')).toMatchObject([
        { payload: { data: { viewer: { owner: '@acme/bob' } } } },
        {},
      ]);
      client.socket.close();
    });

    it('act for no user unless created for it', async () => {
      const { status, errors } = await ask(await newKey(), who, behalf('bob'));
      expect(status).toBe(403);
      expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    });

    it.each(['', ' ', 'two words', 'J%C3%BCrgen'.repeat(30), 'bob\tcarol'])(
      'act for no such user: %j',
      async (subject) => {
        const key = await newKey('--on-behalf');
        expect(codeOf(await ask(key, who, behalf(subject)))).toBe('UNAUTHENTICATED');
      },
    );

    it('act for no user when two are named', async () => {
      const key = await newKey('--on-behalf');
      const headers = new Headers({ 'content-type': 'application/json', authorization: `Bearer ${key}` });
      headers.append('x-likeness-owner', 'bob');
      headers.append('x-likeness-owner', 'carol');
      const response = await fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query: who }),
      });
      expect(response.status).toBe(401);
    });
  });

  /** A model that stays queued, since there are no workers. */
  async function aModelOf(owner: string): Promise<{ id: string }> {
    const key = (await operate('keys', 'create', '--owner', owner)).out;
    const photoUrls = [1, 2, 3, 4, 5].map((n) => `https://photos.example.com/${n}.jpg`);
    return new Client(() => gateway.url, { token: key }).train({ photoUrls });
  }
});

describe('API keys where they are not accepted', () => {
  it('are rejected like any other credentials', async () => {
    const gateway = await TestGateway.start({ ROLE: 'api', AUTH: 'jwt', JWT_SECRET: 'x'.repeat(40) });
    const { out } = await likeness(
      { DATABASE_URL: gateway.database.url },
      'keys',
      'create',
      '--owner',
      'acme',
    );
    expect(await new GraphQLClient(() => gateway.url, { token: out }).post(who)).toMatchObject({
      status: 401,
    });
    await gateway.stop();
  });
});
