import { readGlobalId, toGlobalId, newId } from '../../src/core/ids';
import { jwtSecret, tokenOf, uuidOf } from '../support/client';
import { Backend } from '../support/client-tokens';
import { TestGateway } from '../support/gateway';
import { GraphQLClient, type Result } from '../support/graphql-client';

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

  it('do not let a browser read webhooks, whose URLs may contain secrets', async () => {
    const backend = await Backend.of(gateway, 'bob');
    const { createWebhook } = await backend.client.request<{ createWebhook: { webhook: { id: string } } }>(
      'mutation { createWebhook(input: { url: "https://hooks.example.com/secret" }) { webhook { id } } }',
    );
    const query = `{ node(id: "${createWebhook.webhook.id}") { id ... on Webhook { url } } }`;
    const answer = await (await backend.browser()).post(query);
    expect([codeOf(answer), JSON.stringify(answer).includes('hooks.example.com')]).toEqual([
      'FORBIDDEN',
      false,
    ]);
    expect(JSON.stringify(await backend.client.post(query))).toContain('hooks.example.com');
    const notices = `subscription { activity { change { ... on NoticeCreated { notice { subject { ... on Webhook { url } } } } } } }`;
    expect(codeOf(await (await backend.browser()).execute('SSE', { query: notices }))).toBe('FORBIDDEN');
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

  it('of another user, or for what another user has, are answered like unknown ones', async () => {
    const [bob, carol] = [await Backend.of(gateway, 'bob'), await Backend.of(gateway, 'carol')];
    const { modelId, generationId } = await (await carol.browser({ maxUploads: 5 })).settle();
    const unknown = [newId(), newId()] as const;
    for (const [own, never] of [
      [{ modelId }, { modelId: toGlobalId('AvatarModel', unknown[0]) }],
      [{ generationId }, { generationId: toGlobalId('Generation', unknown[1]) }],
    ]) {
      const [refused, other] = [await bob.post(own!), await bob.post(never!)];
      expect(refused.errors).toEqual(other.errors);
      expect(refused.errors![0]!.extensions.code).toBe('NOT_FOUND');
      expect((await carol.mint(own)).token).toMatch(/^lct_/);
    }
    const { id } = (await carol.mint()).clientToken;
    const query = `{ node(id: "${id}") { id } nodes(ids: ["${id}"]) { id } }`;
    expect((await bob.client.post(query)).data).toEqual({ node: null, nodes: [null] });
    expect((await carol.client.post(query)).data).toEqual({ node: { id }, nodes: [{ id }] });
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
        const again = await browser.execute(transport, { query }).catch(String);
        expect(JSON.stringify(again)).toContain(usedUp);
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

  it('have ids of their own type', async () => {
    const { clientToken } = await (await Backend.of(gateway, null)).mint();
    expect(readGlobalId(clientToken.id)).toMatchObject({ kind: 'ClientToken' });
  });
});
