import { readGlobalId, toGlobalId, newId } from '../../src/core/ids';
import { Client, jwtSecret, tokenOf, uuidOf } from '../support/client';
import { Backend, newKey, revokeKey } from '../support/client-tokens';
import { TestGateway } from '../support/gateway';
import { GraphQLClient, type Result } from '../support/graphql-client';
import { SocketClient } from '../support/raw-client';
import { until } from '../support/until';

const who = '{ viewer { owner grantedScopes } }';
const refusal = 'The client token is not valid: it is unknown, has expired or was revoked. Get another one.';
const usedUp = 'The client token has started as many operations as it may (maxUses). Get another one.';
const upload = (count: number): string => {
  const files = Array.from(
    { length: count },
    () => '{ filename: "a.jpg", contentType: "image/jpeg", byteSize: 1000 }',
  );
  return `mutation { createPhotoUploads(input: { files: [${files.join(', ')}] }) { uploads { photo { id } } } }`;
};
const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;

describe('client tokens', () => {
  let gateway: TestGateway;
  let second: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start({ AUTH: 'keys, jwt', JWT_SECRET: jwtSecret, LOG_LEVEL: 'trace' });
    second = await gateway.startAnother({ ROLE: 'api' });
  });
  afterAll(() => gateway.stop());

  it('let a browser upload, train, generate and follow for its user, and for no one else', async () => {
    const backend = await Backend.of(gateway, 'bob');
    const browser = await backend.browser({ maxUploads: 5 });
    const { modelId, generationId } = await browser.settle();
    for (const transport of ['WebSocket', 'SSE'] as const) {
      const feed = browser.followGeneration(generationId, undefined, transport);
      expect(await feed.ended()).toEqual({ how: 'complete' });
      expect(feed.messages.at(-1)).toMatchObject({ status: 'COMPLETED' });
    }
    expect((await browser.post(who)).data).toEqual({
      viewer: { owner: '@shop/bob', grantedScopes: ['READ', 'WRITE'] },
    });
    const query = `{ model(id: "${modelId}") { id } }`;
    expect((await backend.client.post(query)).data).toEqual({ model: { id: modelId } });
    const other = await Backend.of(gateway, 'carol');
    expect((await (await other.browser()).post(query)).data).toEqual({ model: null });
  });

  it('are stored as hashes only, and appear neither in logs nor in errors', async () => {
    const backend = await Backend.of(gateway, 'bob');
    const { token, clientToken } = await backend.mint();
    expect(token).toMatch(/^lct_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    await backend.browserWith(token).post(who);
    const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    const unknown = token.replace(/^lct_.{8}/, 'lct_00000000');
    for (const bad of [wrong, unknown]) {
      const { status, errors } = await backend.browserWith(bad).post(who);
      expect({ status, errors }).toMatchObject({ status: 401, errors: [{ message: refusal }] });
    }
    const malformed = await backend.browserWith('lct_what_is_this').post(who);
    expect({ status: malformed.status, code: codeOf(malformed) }).toEqual({
      status: 401,
      code: 'UNAUTHENTICATED',
    });
    const rows = await gateway.rows('SELECT row_to_json(t)::text AS row FROM client_tokens t WHERE id = $1', [
      uuidOf(clientToken.id),
    ]);
    expect(rows).toHaveLength(1);
    const secret = token.slice(37);
    expect(JSON.stringify([rows, gateway.log, malformed])).not.toContain(secret);
    expect(JSON.stringify([malformed, gateway.log])).not.toContain('what_is');
  });

  it('are created by a backend only', async () => {
    const backend = await Backend.of(gateway, 'bob');
    const { token } = await backend.mint();
    for (const other of [token, await tokenOf('alice')]) {
      const mutation = 'mutation { createClientToken(input: { scopes: [READ] }) { token } }';
      expect(codeOf(await backend.browserWith(other).post(mutation))).toBe('FORBIDDEN');
    }
  });

  it('do not grant more than the backend has', async () => {
    const reader = await Backend.of(gateway, 'bob', '--scopes', 'read,write');
    const writer = await Backend.of(gateway, 'bob', '--scopes', 'write,admin');
    expect(codeOf(await reader.post({ scopes: ['READ', 'ADMIN'] }))).toBe('INVALID_INPUT');
    expect(codeOf(await writer.post({ scopes: ['READ'] }))).toBe('FORBIDDEN');
    expect((await writer.mint({ scopes: ['WRITE'] })).clientToken.scopes).toEqual(['WRITE']);
  });

  it.each([
    [{ scopes: [] }, ['input.scopes']],
    [{ expiresInSeconds: 59 }, ['input.expiresInSeconds']],
    [{ expiresInSeconds: 3_601 }, ['input.expiresInSeconds']],
    [{ maxUses: 0 }, ['input.maxUses']],
    [{ maxUploads: -1 }, ['input.maxUploads']],
    [{ maxUploads: 1, scopes: ['READ'] }, ['input.maxUploads']],
    [{ maxUses: -1, expiresInSeconds: 0 }, ['input.expiresInSeconds', 'input.maxUses']],
    [{ modelId: 'me', generationId: 'you' }, ['input.generationId', 'input.modelId', 'input.generationId']],
    [{ modelId: toGlobalId('AvatarModel', newId()) }, ['input.modelId']],
    [{ generationId: toGlobalId('Generation', newId()) }, ['input.generationId']],
    [{ modelId: toGlobalId('Generation', newId()) }, ['input.modelId']],
  ])('are refused for invalid properties: %j', async (input, fields) => {
    const { errors } = await (await Backend.of(gateway, 'bob')).post(input);
    const { problems } = errors![0]!.extensions as unknown as { problems: { path: string[] }[] };
    expect(problems.map(({ path }) => path.join('.'))).toEqual(fields);
  });

  it('are limited to their scopes', async () => {
    const backend = await Backend.of(gateway, 'bob');
    const reader = await backend.browser({ scopes: ['READ'] });
    const writer = await backend.browser({ scopes: ['WRITE'], maxUploads: 1 });
    expect([codeOf(await reader.post(who)), codeOf(await reader.post(upload(1)))]).toEqual([
      undefined,
      'FORBIDDEN',
    ]);
    expect([codeOf(await writer.post(who)), codeOf(await writer.post(upload(1)))]).toEqual([
      'FORBIDDEN',
      undefined,
    ]);
  });

  it.each([
    '{ operator { lagMs } }',
    'mutation { exportMyData { url } }',
    'mutation { deleteMyData(input: { confirm: "DELETE" }) { erasure { receipt } } }',
    'mutation { createClientToken(input: { scopes: [READ] }) { token } }',
    'mutation { revokeClientToken(input: { id: "token_1" }) { revokedId } }',
    `{ erasure(receipt: "${newId()}") { receipt } }`,
  ])('are not accepted by %s', async (query) => {
    const browser = await (await Backend.of(gateway, 'bob', '--scopes', 'read,write,admin')).browser();
    expect(codeOf(await browser.post(query))).toBe('FORBIDDEN');
  });

  it('act for one user', async () => {
    const { token } = await (await Backend.of(gateway, 'bob')).mint();
    const headers = { 'x-likeness-owner': 'carol' };
    expect(await new GraphQLClient(() => gateway.url, { token, headers }).post(who)).toMatchObject({
      status: 403,
    });
  });

  it('upload at most maxUploads photos, also concurrently at two processes', async () => {
    const backend = await Backend.of(gateway, 'bob');
    const { token, clientToken } = await backend.mint({ maxUploads: 5 });
    const browsers = [gateway, second].map((at) => backend.browserWith(token, at));
    const results = await Promise.all([...browsers, ...browsers].map((browser) => browser.post(upload(2))));
    expect(results.map(codeOf).sort()).toEqual(['QUOTA_EXCEEDED', 'QUOTA_EXCEEDED', undefined, undefined]);
    const query = `{ node(id: "${clientToken.id}") { ... on ClientToken { uploadsLeft } } }`;
    expect((await backend.client.post(query)).data).toEqual({ node: { uploadsLeft: 1 } });
    // A call that fails for another reason counts nothing.
    expect(codeOf(await browsers[0]!.post(upload(0)))).toBe('INVALID_INPUT');
    expect(codeOf(await browsers[1]!.post(upload(1)))).toBeUndefined();
  });

  it('upload nothing by default', async () => {
    expect(codeOf(await (await (await Backend.of(gateway, 'bob')).browser()).post(upload(1)))).toBe(
      'QUOTA_EXCEEDED',
    );
  });

  describe('that are single-use', () => {
    it('start one of many concurrent operations at two processes, and then none', async () => {
      const backend = await Backend.of(gateway, 'bob');
      const { token } = await backend.mint({ maxUses: 1 });
      const browsers = [gateway, second].map((at) => backend.browserWith(token, at));
      const race = [...browsers, ...browsers, ...browsers, ...browsers];
      const results = await Promise.all(race.map((browser) => browser.post(who)));
      expect(results.filter(({ errors }) => !errors)).toHaveLength(1);
      const refused = results.filter(({ errors }) => errors).map(({ errors }) => errors![0]!.message);
      expect(new Set(refused)).toEqual(new Set([usedUp]));
      for (const browser of browsers) {
        expect(await browser.post(who)).toMatchObject({ status: 401, errors: [{ message: usedUp }] });
      }
    });

    it('start one operation of several fields, over any transport', async () => {
      const backend = await Backend.of(gateway, 'bob');
      for (const transport of ['HTTP', 'WebSocket', 'SSE'] as const) {
        const browser = await backend.browser({ maxUses: 1 });
        const query = '{ one: viewer { owner } two: viewer { owner } models { totalCount } }';
        expect((await browser.execute(transport, { query })).errors).toBeUndefined();
        const again = browser.execute(transport, { query });
        if (transport === 'SSE') await expect(again).rejects.toThrow('401');
        else expect(codeOf(await again)).toBe('UNAUTHENTICATED');
        browser.close();
      }
    });

    it('are not used up by what is not executed', async () => {
      const browser = await (await Backend.of(gateway, 'bob')).browser({ maxUses: 1 });
      const notExecuted = [
        '{ __schema { queryType { name } } }',
        '{ viewer { nothing } }',
        '{ viewer {',
        'query ($id: ID!) { model(id: $id) { id } }',
        'mutation { exportMyData { url } }',
        '{ operator { lagMs } }',
      ];
      for (const query of notExecuted) await browser.post(query);
      expect(codeOf(await browser.post(who))).toBeUndefined();
      expect(codeOf(await browser.post(who))).toBe('UNAUTHENTICATED');
    });

    it('follow a job to its end by one subscription', async () => {
      const backend = await Backend.of(gateway, 'dora');
      const trainer = await backend.browser({ maxUploads: 5 });
      const { id } = await trainer.train({ photoIds: await trainer.upload() });
      const browser = await backend.browser({ scopes: ['READ'], maxUses: 1 });
      const feed = browser.followTraining(id);
      expect(await feed.ended()).toEqual({ how: 'complete' });
      expect(feed.messages.length).toBeGreaterThan(1);
      expect(feed.messages.at(-1)).toMatchObject({ status: 'READY' });
    });
  });

  it('count each operation of a batch', async () => {
    const batching = await gateway.startAnother({ ROLE: 'api', BATCHING: 'true' });
    const { token } = await (await Backend.of(gateway, 'bob')).mint({ maxUses: 2 });
    const response = await fetch(`${batching.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify([{ query: who }, { query: who }, { query: who }]),
    });
    const results = (await response.json()) as Result[];
    expect(results.map(codeOf).sort()).toEqual(['UNAUTHENTICATED', undefined, undefined]);
  });

  describe('that end', () => {
    const jobOf = async (backend: Backend): Promise<string> => {
      const browser = await backend.browser({ maxUploads: 5 });
      return (await browser.train({ photoIds: await browser.upload() })).id;
    };
    const openStream = async (url: string, token: string, id: string): Promise<Response> => {
      const response = await fetch(`${url}/graphql/stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: `subscription { avatarCompleted(modelId: "${id}") { cursor } }` }),
      });
      expect(response.status).toBe(200);
      return response;
    };
    const greeted = (url: string, token: string): Promise<SocketClient> =>
      SocketClient.greeted(url, { authorization: `Bearer ${token}` });

    it('by revocation are refused at once, and their sockets and streams are closed in every process', async () => {
      const backend = await Backend.of(gateway, 'erik');
      const id = await jobOf(backend);
      const [{ token, clientToken }, other] = [await backend.mint(), await backend.mint()];
      const sockets = await Promise.all([gateway, second].map(({ url }) => greeted(url, token)));
      const unharmed = await greeted(second.url, other.token);
      const streams = await Promise.all([gateway, second].map(({ url }) => openStream(url, token, id)));
      await backend.revoke(clientToken.id);
      for (const at of [gateway, second]) {
        const answer = await backend.browserWith(token, at).post(who);
        expect(answer).toMatchObject({ status: 401, errors: [{ message: refusal }] });
      }
      for (const socket of sockets) {
        expect(await socket.end()).toEqual({
          code: 4403,
          reason: 'Your client token was revoked. Get another one.',
        });
      }
      for (const stream of streams) expect(await stream.text()).toContain('UNAUTHENTICATED');
      unharmed.subscribe('1', who);
      expect(await unharmed.ended('1')).toHaveLength(2);
      unharmed.socket.terminate();
    });

    it('by revocation can be revoked again, and by their own user only', async () => {
      const backend = await Backend.of(gateway, 'erik');
      const { token, clientToken } = await backend.mint();
      const carol = await Backend.of(gateway, 'carol');
      const unknown = { code: 'NOT_FOUND' };
      await expect(carol.revoke(clientToken.id)).rejects.toMatchObject(unknown);
      await expect(backend.revoke(toGlobalId('ClientToken', newId()))).rejects.toMatchObject(unknown);
      await expect(backend.revoke('token')).rejects.toMatchObject(unknown);
      expect((await backend.browserWith(token).post(who)).status).toBe(200);
      await backend.revoke(clientToken.id);
      await backend.revoke(clientToken.id);
      expect((await backend.browserWith(token).post(who)).status).toBe(401);
    });

    it('by expiry close their sockets and streams', async () => {
      const backend = await Backend.of(gateway, 'erik');
      const id = await jobOf(backend);
      const { token, clientToken } = await backend.mint();
      await gateway.rows(`UPDATE client_tokens SET expires_at = now() + interval '2 s' WHERE id = $1`, [
        uuidOf(clientToken.id),
      ]);
      const [socket, stream] = [await greeted(gateway.url, token), await openStream(gateway.url, token, id)];
      expect(await socket.end()).toMatchObject({ code: 4403 });
      expect(await stream.text()).toContain('UNAUTHENTICATED');
      let answer = await backend.browserWith(token).post(who);
      while (answer.status === 200) answer = await backend.browserWith(token).post(who);
      expect(answer.errors).toMatchObject([{ message: refusal }]);
    });

    it('with their API key are refused, and their sockets are closed', async () => {
      const backend = await Backend.of(gateway, 'erik');
      const { token } = await backend.mint();
      const socket = await greeted(second.url, token);
      await revokeKey(gateway, backend.key);
      expect(await backend.browserWith(token).post(who)).toMatchObject({ status: 401 });
      expect(await socket.end()).toMatchObject({ code: 4403 });
    });

    it('do so no later than their API key expires', async () => {
      const backend = await Backend.of(gateway, 'erik', '--expires', '5m');
      const { clientToken } = await backend.mint({ expiresInSeconds: 3_600 });
      expect(Date.parse(clientToken.expiresAt)).toBeLessThanOrEqual(Date.now() + 300_000);
    });

    it('are forgotten a day later', async () => {
      const backend = await Backend.of(gateway, 'erik');
      const { clientToken } = await backend.mint();
      const count = async (): Promise<number> =>
        (await gateway.rows('SELECT 1 FROM client_tokens WHERE id = $1', [uuidOf(clientToken.id)])).length;
      await gateway.rows(`UPDATE client_tokens SET expires_at = now() - interval '25 h' WHERE id = $1`, [
        uuidOf(clientToken.id),
      ]);
      expect(await count()).toBe(1);
      await gateway.restart();
      await until(async () => (await count()) === 0);
    });
  });

  it('are found by their id for their user, until they end', async () => {
    const backend = await Backend.of(gateway, 'fritz');
    const { token, clientToken } = await backend.mint({
      maxUses: 7,
      maxUploads: 2,
      scopes: ['READ', 'WRITE'],
    });
    // The second one has no planned read.
    for (const more of ['', 'operator { lagMs }']) {
      const query = `{ node(id: "${clientToken.id}") { __typename id ... on ClientToken { scopes createdAt expiresAt usesLeft uploadsLeft } } ${more} }`;
      const found = async (by: GraphQLClient): Promise<unknown> => (await by.post(query)).data?.node;
      expect(await found(backend.client)).toEqual({
        ...{ __typename: 'ClientToken', ...clientToken, usesLeft: 7 },
        createdAt: expect.any(String) as string,
      });
      expect(await found((await Backend.of(gateway, 'carol')).client)).toBeNull();
    }
    await backend.browserWith(token).post(who);
    const left = `{ nodes(ids: ["${clientToken.id}"]) { ... on ClientToken { usesLeft } } }`;
    expect((await backend.client.post(left)).data).toEqual({ nodes: [{ usesLeft: 6 }] });
    await backend.revoke(clientToken.id);
    expect((await backend.client.post(left)).data).toEqual({ nodes: [null] });
  });

  it('are the actor in the audit log, which records their creation and revocation', async () => {
    const backend = await Backend.of(gateway, 'gina');
    const { token, clientToken } = await backend.mint({ maxUploads: 1 });
    const browser = backend.browserWith(token);
    const [photo] = await browser.upload(1);
    await browser.delete('deletePhoto', photo!);
    await backend.revoke(clientToken.id);
    const entries = await gateway.rows<{ actor: string; action: string; subject: string }>(
      'SELECT actor, action, subject FROM audit_log WHERE owner = $1 ORDER BY at',
      ['@shop/gina'],
    );
    const key = `key:${backend.key.split('_')[1]}`;
    expect(entries).toEqual([
      { actor: key, action: 'createClientToken', subject: clientToken.id },
      { actor: clientToken.id, action: 'deletePhoto', subject: photo },
      { actor: key, action: 'revokeClientToken', subject: clientToken.id },
    ]);
  });

  it('end with the erasure of their user', async () => {
    const backend = await Backend.of(gateway, 'hugo');
    const { token } = await backend.mint();
    const socket = await SocketClient.greeted(second.url, { authorization: `Bearer ${token}` });
    await backend.client.request(
      'mutation { deleteMyData(input: { confirm: "DELETE" }) { erasure { receipt } } }',
    );
    expect(await socket.end()).toMatchObject({ code: 4403 });
    expect(await backend.browserWith(token).post(who)).toMatchObject({ status: 401 });
    expect(await gateway.database.tablesWith('hugo')).toEqual(['erasures']);
  });

  it('have ids of their own type', async () => {
    const { clientToken } = await (await Backend.of(gateway, null)).mint();
    expect(readGlobalId(clientToken.id)).toMatchObject({ kind: 'ClientToken' });
  });
});

describe('the limits of a user', () => {
  it('count client tokens, and the operations and sockets with them', async () => {
    const gateway = await TestGateway.start({
      ...{ ROLE: 'api', AUTH: 'keys', RATE_LIMIT_OWNER: '12/10m', MAX_SOCKETS_PER_OWNER: '1' },
      MAX_CLIENT_TOKENS_PER_OWNER: '3',
    });
    try {
      const backend = await Backend.of(gateway, 'bob');
      const tokens = [await backend.mint(), await backend.mint(), await backend.mint()];
      expect(codeOf(await backend.post({}))).toBe('QUOTA_EXCEEDED');
      await backend.revoke(tokens[0]!.clientToken.id);
      const race = await Promise.all([backend.post({}), backend.post({})]);
      expect(race.map(codeOf).sort()).toEqual(['QUOTA_EXCEEDED', undefined]);
      // Another user has a limit of its own.
      expect(codeOf(await (await Backend.of(gateway, 'carol')).post({}))).toBeUndefined();

      const [one, two] = tokens.slice(1).map(({ token }) => ({ authorization: `Bearer ${token}` }));
      const first = await SocketClient.greeted(gateway.url, one);
      expect(await (await SocketClient.greeted(gateway.url, two)).end()).toMatchObject({ code: 1013 });
      first.socket.terminate();

      const codes: (string | undefined)[] = [];
      for (let count = 0; count < 6; count += 1)
        codes.push(codeOf(await backend.browserWith(tokens[1 + (count % 2)]!.token).post(who)));
      expect(codes.at(-1)).toBe('RATE_LIMITED');
    } finally {
      await gateway.stop();
    }
  });
});

describe('client tokens without authentication', () => {
  it('can be tried: they are created without a key, and have their limits', async () => {
    const gateway = await TestGateway.start({ ROLE: 'api' });
    try {
      const create = 'mutation { createClientToken(input: { scopes: [READ], maxUses: 2 }) { token } }';
      const made = await gateway.client.request<{ createClientToken: { token: string } }>(create);
      const browser = Client.with(gateway, 'browser', made.createClientToken.token);
      expect((await browser.post(who)).data).toEqual({ viewer: { owner: 'local', grantedScopes: ['READ'] } });
      const socket = await browser.connect();
      socket.subscribe('1', upload(1));
      expect(JSON.stringify(await socket.ended('1'))).toContain('FORBIDDEN');
      socket.subscribe('2', who);
      expect(JSON.stringify(await socket.ended('2'))).toContain('local');
      socket.socket.terminate();
      expect((await browser.post(who)).status).toBe(401);
      expect((await Client.with(gateway, 'browser', 'lct_unknown').post(who)).status).toBe(401);

      // They end when the server requires authentication.
      const again = await gateway.client.request<{ createClientToken: { token: string } }>(
        create.replace(', maxUses: 2', ''),
      );
      await gateway.restart({ AUTH: 'keys' });
      const later = Client.with(gateway, 'browser', again.createClientToken.token);
      expect(await later.post(who)).toMatchObject({ status: 401, errors: [{ message: refusal }] });
      await newKey(gateway, 'shop');
    } finally {
      await gateway.stop();
    }
  });
});
