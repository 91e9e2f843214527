import { newId, toGlobalId } from '../../src/core/ids';
import { Client, uuidOf } from '../support/client';
import { Backend, revokeKey } from '../support/client-tokens';
import { TestGateway } from '../support/gateway';
import type { Result } from '../support/graphql-client';
import { sendHeaders, SocketClient } from '../support/raw-client';
import { until } from '../support/until';
import { unzip } from '../support/unzip';

const who = '{ viewer { owner grantedScopes } }';
const refusal = 'The client token is not valid: it is unknown, has expired or was revoked. Get another one.';
const upload =
  'mutation { createPhotoUploads(input: { files: [{ filename: "a.jpg", contentType: "image/jpeg", byteSize: 1000 }] }) { uploads { photo { id } } } }';
const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;

describe('client tokens that end', () => {
  let gateway: TestGateway;
  let second: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start({ AUTH: 'keys' });
    second = await gateway.startAnother({ ROLE: 'api' });
  });
  afterAll(() => gateway.stop());

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
    // Also by a process that started later and has received no notification.
    const third = await gateway.startAnother({ ROLE: 'api' });
    for (const at of [gateway, third])
      expect(await backend.browserWith(token, at).post(who)).toMatchObject({ status: 401 });
    expect(await socket.end()).toMatchObject({ code: 4403 });
  });

  it.each(['/graphql', '/graphql/stream'])('by revocation while %s receives the body', async (path) => {
    const backend = await Backend.of(gateway, 'erik');
    const keyId = backend.key.split('_')[1]!;
    const authorization = `Bearer ${backend.key}`;
    const socket = await greeted(gateway.url, backend.key);
    await gateway.rows('UPDATE api_keys SET last_used_at = NULL WHERE id = $1', [keyId]);
    const sendBody = sendHeaders(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: '*/*', authorization },
    });
    const used = 'SELECT FROM api_keys WHERE id = $1 AND last_used_at IS NOT NULL';
    await until(async () => (await gateway.rows(used, [keyId])).length > 0);
    await revokeKey(gateway, backend.key);
    await socket.end();
    expect(await sendBody(JSON.stringify({ query: who }))).toMatchObject({
      status: 401,
      text: expect.stringContaining('UNAUTHENTICATED') as string,
    });
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

  it('appear in the export of their user, without the hash of the secret', async () => {
    const backend = await Backend.of(gateway, 'ida');
    const { clientToken } = await backend.mint({ maxUploads: 3 });
    const { exportMyData } = await backend.client.request<{ exportMyData: { url: string } }>(
      'mutation { exportMyData { url } }',
    );
    const files = unzip(Buffer.from(await (await fetch(exportMyData.url)).arrayBuffer()));
    const data = files.get('data.json')!.toString();
    const { clientTokens } = JSON.parse(data) as { clientTokens: object[] };
    expect(clientTokens).toMatchObject([
      { id: uuidOf(clientToken.id), scopes: ['read', 'write'], uploadsLeft: 3 },
    ]);
    expect(data).not.toMatch(/sha256|[0-9a-f]{64}/i);
  });

  it('with the erasure of their user are refused, and their sockets are closed', async () => {
    const backend = await Backend.of(gateway, 'hugo');
    const { token, clientToken } = await backend.mint();
    const socket = await SocketClient.greeted(second.url, { authorization: `Bearer ${token}` });
    const expired = uuidOf((await backend.mint()).clientToken.id);
    await gateway.rows('UPDATE client_tokens SET expires_at = now() WHERE id = $1', [expired]);
    await backend.client.request(
      'mutation { deleteMyData(input: { confirm: "DELETE" }) { erasure { receipt } } }',
    );
    expect(await socket.end()).toMatchObject({ code: 4403 });
    expect(await backend.browserWith(token).post(who)).toMatchObject({ status: 401 });
    await until(async () => (await gateway.database.tablesWith('hugo')).join() === 'erasures');
    // Only tokens that have not expired must be kept, as revoked ones.
    expect(await gateway.rows('SELECT id FROM client_tokens WHERE id = $1', [expired])).toEqual([]);
    expect(
      await gateway.rows('SELECT owner, revoked_at IS NOT NULL AS revoked FROM client_tokens WHERE id = $1', [
        uuidOf(clientToken.id),
      ]),
    ).toEqual([{ owner: '@/erased', revoked: true }]);
  });
});

describe('the limits of a user', () => {
  it('count client tokens, and the operations and sockets with them', async () => {
    const gateway = await TestGateway.start({
      ...{ ROLE: 'api', AUTH: 'keys', RATE_LIMIT_OWNER: '13/10m', MAX_SOCKETS_PER_OWNER: '1' },
      MAX_CLIENT_TOKENS_PER_OWNER: '3',
    });
    try {
      const backend = await Backend.of(gateway, 'bob');
      const tokens = [await backend.mint(), await backend.mint(), await backend.mint()];
      expect(codeOf(await backend.post({}))).toBe('QUOTA_EXCEEDED');
      // Otherwise revocations, which every process keeps until the token expires, would not be limited.
      await backend.revoke(tokens[0]!.clientToken.id);
      expect(codeOf(await backend.post({}))).toBe('QUOTA_EXCEEDED');
      await gateway.rows('UPDATE client_tokens SET expires_at = now() WHERE id = $1', [
        uuidOf(tokens[0]!.clientToken.id),
      ]);
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
      socket.subscribe('1', upload);
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
    } finally {
      await gateway.stop();
    }
  });
});
