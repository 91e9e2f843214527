import { RawConnection, SocketClient } from '../support/raw-client';
import { byWord, startTinyGateway, type TinyGateway, type TinyOptions } from '../support/tiny-gateway';
import { until } from '../support/until';

const init = { type: 'connection_init' };

describe('the WebSocket handler', () => {
  const gateways: TinyGateway[] = [];
  const start = async (options?: TinyOptions): Promise<TinyGateway> => {
    const gateway = await startTinyGateway(options);
    gateways.push(gateway);
    return gateway;
  };
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await start({ sockets: { initWaitMs: 500 } });
  });
  afterAll(() => Promise.all(gateways.map((one) => one.stop(200))));

  it('carries queries, mutations and subscriptions', async () => {
    const client = await SocketClient.greeted(gateway.url);
    client.subscribe('q', '{ owner }');
    client.subscribe('m', 'mutation { trainModel(input: { type: CAT }) }');
    client.subscribe('s', 'subscription ($n: Int!) { countdown(from: $n) }', { n: 3 });
    expect(await client.ended('q')).toMatchObject([
      { payload: { data: { owner: 'local' } } },
      { type: 'complete' },
    ]);
    expect(await client.ended('m')).toMatchObject([{ payload: { data: { trainModel: 'CAT' } } }, {}]);
    const received = (await client.ended('s')).map(({ payload }) => payload);
    expect(received).toEqual([...[3, 2, 1].map((countdown) => ({ data: { countdown } })), undefined]);
    client.socket.close();
  });

  it('reads fresh data for every event', async () => {
    const client = await SocketClient.greeted(gateway.url);
    client.subscribe('s', 'subscription { loaded }');
    const received = (await client.ended('s')).slice(0, 3).map(({ payload }) => payload);
    expect(received).toEqual([1, 2, 3].map((loaded) => ({ data: { loaded } })));
    client.socket.close();
  });

  it.each([
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['query A { owner } query B { owner }', 'OPERATION_RESOLUTION_FAILURE'],
    [`{ ${'owner '.repeat(21)} }`, 'QUERY_TOO_COMPLEX'],
    [`{ ${'owner '.repeat(3_000)} }`, 'QUERY_TOO_COMPLEX'],
    ['mutation { a: trainModel(input: {type: MAN}) b: trainModel(input: {type: MAN}) }', 'QUERY_TOO_COMPLEX'],
    ['mutation { trainModel(input: {type: ROBOT}) }', 'INVALID_INPUT'],
  ])('answers an invalid query with an error message and stays open: %#', async (query, code) => {
    const client = await SocketClient.greeted(gateway.url);
    client.subscribe('1', query);
    expect(await client.ended('1')).toMatchObject([{ type: 'error', payload: [{ extensions: { code } }] }]);
    client.subscribe('1', '{ owner }');
    await until(() => client.of('1').some(({ type }) => type === 'complete'));
    client.socket.close();
  });

  it.each([
    ['{ refused }', { code: 'TOO_FEW_PHOTOS', field: 'input.photoIds', given: 4, minimum: 5 }],
    ['{ broken }', { code: 'INTERNAL_SERVER_ERROR' }],
    ['subscription { countdown(from: 1001) }', { code: 'INVALID_INPUT', field: 'from' }],
  ])('returns errors of an operation as over HTTP: %s', async (query, extensions) => {
    const client = await SocketClient.greeted(gateway.url);
    client.subscribe('1', query);
    expect((await client.ended('1'))[0]).toMatchObject({
      type: 'next',
      payload: { errors: [{ extensions }] },
    });
    client.socket.close();
  });

  it('returns why a subscription was ended', async () => {
    const client = await SocketClient.greeted(gateway.url);
    client.subscribe('1', 'subscription { failing }');
    expect(await client.ended('1')).toMatchObject([
      { type: 'next' },
      {
        type: 'error',
        payload: [{ message: 'Resume with your last cursor.', extensions: { code: 'SUBSCRIBER_TOO_SLOW' } }],
      },
    ]);
    client.socket.close();
  });

  it('releases a waiting subscription on complete and when the socket closes', async () => {
    const client = await SocketClient.greeted(gateway.url);
    client.subscribe('1', 'subscription { silence }');
    client.subscribe('2', 'subscription { silence }');
    await until(() => gateway.witness.open === 2);
    client.send({ type: 'complete', id: '1' });
    await until(() => gateway.witness.open === 1);
    client.socket.terminate();
    await until(() => gateway.witness.open === 0);
    expect(gateway.witness.open).toBe(0);
  });

  describe('closes a socket', () => {
    it.each([
      ['invalid JSON', [init, 'hello'], 4400],
      ['an unknown message', [init, { type: 'stop' }], 4400],
      ['a message that servers send', [init, { type: 'next', id: '1', payload: {} }], 4400],
      ['a binary frame', [Buffer.from(JSON.stringify(init))], 4400],
      [
        'JSON 5000 levels deep',
        [init, `{"type":"ping","payload":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_001)}`],
        4400,
      ],
      ['a message without an operation', [init, { type: 'subscribe', id: '1', payload: 5 }], 4400],
      [
        'an id past all measure',
        [init, { type: 'subscribe', id: 'x'.repeat(500), payload: { query: '{ owner }' } }],
        4400,
      ],
      [
        'an operation before connection_init',
        [{ type: 'subscribe', id: '1', payload: { query: '{ owner }' } }],
        4401,
      ],
      ['a second connection_init', [init, init], 4429],
      ['a message past 256 kB', [init, 'x'.repeat(256_001)], 1009],
    ])('on %s', async (_what, messages, code) => {
      const client = await SocketClient.open(gateway.url);
      for (const message of messages) client.send(message);
      expect((await client.end()).code).toBe(code);
    });

    it('on an id that is in use', async () => {
      const client = await SocketClient.greeted(gateway.url);
      client.subscribe('1', 'subscription { silence }');
      client.subscribe('1', '{ owner }');
      expect((await client.end()).code).toBe(4409);
    });

    it('on an id that is in use and too long for a close reason', async () => {
      const client = await SocketClient.greeted(gateway.url);
      const id = '\u{1f600}'.repeat(32);
      client.subscribe(id, 'subscription { silence }');
      client.subscribe(id, '{ owner }');
      expect((await client.end()).code).toBe(4409);
    });

    it.each([[[]], [['graphql-ws']]])('of an unknown subprotocol: %j', async (protocols) => {
      const connection = await RawConnection.open(gateway.port);
      const offered = protocols.map((name) => `Sec-WebSocket-Protocol: ${name}\r\n`).join('');
      connection.socket.write(
        `GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${offered}` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      // A close frame: its opcode, its length, and 4406 in two bytes.
      await until(() => connection.text.includes('\u0088\u001c\u0011\u0036Subprotocol not acceptable'));
      expect(connection.text).toMatch(/^HTTP\/1.1 101 /);
      connection.socket.destroy();
    });

    it('that stays silent', async () => {
      const client = await SocketClient.open(gateway.url);
      expect(await client.end()).toEqual({ code: 4408, reason: 'Connection initialisation timeout' });
    });

    it('of a rejected client, and of one whose credentials cannot be checked now', async () => {
      const guarded = await start({ authenticate: byWord });
      const rejected = await SocketClient.greeted(guarded.url, { token: 'bad' });
      expect(await rejected.end()).toEqual({ code: 4403, reason: 'Show a token.' });
      const unlucky = await SocketClient.greeted(guarded.url, { token: 'outage' });
      expect(await unlucky.end()).toEqual({
        code: 1013,
        reason: 'Try again after a random delay of up to 10 s.',
      });
    });

    it('when its credentials expired or were revoked', async () => {
      const guarded = await start({ authenticate: byWord });
      const short = await SocketClient.greeted(guarded.url, { token: 'good-short' });
      const revoked = await SocketClient.greeted(guarded.url, { token: 'good-1' });
      const other = await SocketClient.greeted(guarded.url, { token: 'good-2' });
      expect(await short.end()).toEqual({
        code: 4403,
        reason: 'Your credentials have expired. Sign in again.',
      });
      expect(guarded.sessions.endRevoked('good-1')).toBe(1);
      expect(await revoked.end()).toEqual({
        code: 4403,
        reason: 'Your API key was revoked. Use another API key.',
      });
      other.subscribe('1', '{ owner }');
      expect((await other.ended('1'))[0]).toMatchObject({ payload: { data: { owner: 'good-2' } } });
      other.socket.close();
    });

    it('from another origin during the upgrade', async () => {
      const foreign = SocketClient.open(gateway.url, 'graphql-transport-ws', {
        origin: 'https://evil.example',
      });
      await expect(foreign).rejects.toThrow('403');
      const own = await SocketClient.open(gateway.url, 'graphql-transport-ws', { origin: gateway.url });
      own.socket.close();
      const rebound = SocketClient.open(gateway.url, 'graphql-transport-ws', {
        headers: { host: 'evil.example' },
      });
      await expect(rebound).rejects.toThrow('403');
    });
  });

  it('rejects an operation over the limit and keeps the others', async () => {
    const client = await SocketClient.greeted(gateway.url);
    for (let id = 1; id <= 1_000; id += 1) client.subscribe(String(id), 'subscription { silence }');
    await client.ended('1000');
    const refused = client.messages.filter(({ type }) => type === 'error');
    expect(refused).toHaveLength(900);
    expect(refused[0]).toMatchObject({
      id: '101',
      payload: [{ extensions: { code: 'RATE_LIMITED', maximum: 100 } }],
    });
    expect(gateway.witness.open).toBe(100);
    client.socket.close();
    await until(() => gateway.witness.open === 0);
  });

  it('closes a socket that does not read, and buffers nothing for it', async () => {
    const strict = await start({ sockets: { keepAliveMs: 500 } });
    const client = await SocketClient.greeted(strict.url);
    for (const id of ['1', '2', '3']) client.subscribe(id, 'subscription { flood }');
    await until(() => client.messages.length > 3);
    client.socket.pause();
    await until(() => strict.witness.open === 3);
    // Close frames wait behind unread data; a client that reads again receives the reason.
    await until(() =>
      strict.log.some(({ msg }) => msg === 'closed the socket of a client that reads too slowly'),
    );
    client.socket.resume();
    const { code, reason } = await client.end();
    expect(code).toBe(4413);
    expect(reason).toContain('resume with your last cursor');
    await until(() => strict.witness.open === 0);
  });

  it('ends a socket whose peer is gone', async () => {
    const strict = await start({ sockets: { keepAliveMs: 50 } });
    const client = await SocketClient.open(strict.url, 'graphql-transport-ws', { autoPong: false });
    client.send(init);
    expect((await client.end()).code).toBe(1006);
  });

  it('sends a close frame when it stops', async () => {
    const leaving = await startTinyGateway();
    const client = await SocketClient.greeted(leaving.url);
    client.subscribe('1', 'subscription { silence }');
    await until(() => leaving.witness.open === 1);
    await leaving.stop();
    expect(await client.end()).toEqual({
      code: 1001,
      reason:
        'The server is stopping; reconnect after a random delay of up to 3 s and resume with your last cursor.',
    });
    expect(leaving.witness.open).toBe(0);
  });
});
