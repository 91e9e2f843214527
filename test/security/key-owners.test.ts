import type { ClientOptions } from 'ws';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { SocketClient, send } from '../support/raw-client';
import { until } from '../support/until';

const who = '{ viewer { owner scopes } }';

describe('a key that acts for users', () => {
  let gateway: TestGateway;
  let key: string;
  let other: string;

  beforeAll(async () => {
    gateway = await TestGateway.start({ ROLE: 'api', AUTH: 'keys' });
    const create = async (): Promise<string> => {
      const words = ['keys', 'create', '--owner', 'acme', '--on-behalf'];
      return (await likeness({ DATABASE_URL: gateway.database.url }, ...words)).out;
    };
    [key, other] = [await create(), await create()];
  });
  afterAll(() => gateway.stop());

  describe('on a socket whose connection_init gives', () => {
    const wrong = 'X-Likeness-Owner in connection_init must be a string.';
    const differ = 'X-Likeness-Owner was sent with different values. Send it once.';
    const form = 'X-Likeness-Owner must be 1 to 255 visible ASCII characters without spaces.';
    const socketOf = async (
      params: () => unknown,
      headers?: () => ClientOptions['headers'],
    ): Promise<SocketClient> => {
      const client = await SocketClient.open(gateway.url, undefined, { headers: headers?.() });
      client.send({ type: 'connection_init', payload: params() });
      await until(() => client.messages.length > 0 || client.closed !== null);
      return client;
    };
    const authorization = (): string => `Bearer ${key}`;
    const byBackend = (): ClientOptions['headers'] => ({
      authorization: authorization(),
      'x-likeness-owner': 'alice',
    });

    it.each([
      ['another user', 'bob', differ],
      ['the user in other letters', 'Alice', differ],
      ['a number', 42, differ],
      ['null', null, differ],
      ['a list', ['alice'], differ],
      ['an object', { owner: 'alice' }, differ],
      ['nothing', '', differ],
    ])('%s and whose request names a user is rejected with 4403', async (_what, owner, reason) => {
      for (const name of ['X-Likeness-Owner', 'x-likeness-owner']) {
        const client = await socketOf(() => ({ [name]: owner }), byBackend);
        expect(await client.end()).toEqual({ code: 4403, reason });
        expect(client.messages).toEqual([]);
      }
    });

    it.each([
      ['a number', 42, wrong],
      ['false', false, wrong],
      ['null', null, wrong],
      ['a list', ['bob'], wrong],
      ['an object', {}, wrong],
      ['nothing', '', form],
      ['what is too long', 'b'.repeat(256), form],
      ['two words', 'bob carol', form],
    ])('%s as the user is rejected and does not act for its own account', async (_what, owner, reason) => {
      const client = await socketOf(() => ({
        authorization: authorization(),
        'X-Likeness-Owner': owner,
      }));
      expect(await client.end()).toEqual({ code: 4403, reason });
      expect(client.messages).toEqual([]);
    });

    it.each([
      [
        'two users',
        () => ({
          authorization: authorization(),
          'X-Likeness-Owner': 'a',
          'x-likeness-owner': 'b',
        }),
        differ,
      ],
      [
        'another key than its request',
        () => ({ authorization: 'Bearer lk_other' }),
        'Authorization was sent with different values. Send it once.',
      ],
      [
        'a key that is not a text',
        () => ({ authorization: null }),
        'Authorization was sent with different values. Send it once.',
      ],
    ])('%s is rejected with 4403', async (_what, params, reason) => {
      const client = await socketOf(params, byBackend);
      expect(await client.end()).toEqual({ code: 4403, reason });
    });

    it('the same user as its request, or none, acts for that user', async () => {
      const params = (): unknown => ({
        Authorization: authorization(),
        'X-Likeness-Owner': 'alice',
      });
      for (const given of [params, () => ({}), () => undefined]) {
        const client = await socketOf(given, byBackend);
        client.subscribe('1', who);
        expect(await client.ended('1')).toMatchObject([
          { payload: { data: { viewer: { owner: '@acme/alice' } } } },
          {},
        ]);
        client.socket.close();
      }
    });
  });

  it.each(['/graphql', '/graphql/stream'])(
    'is rejected at %s when a header is sent twice with different values',
    async (path) => {
      const repeated: [status: number, headers: Record<string, string | string[]>][] = [
        [401, { authorization: `Bearer ${key}`, 'x-likeness-owner': ['bob', 'carol'] }],
        [401, { authorization: `Bearer ${key}`, 'x-likeness-owner': ['bob', ''] }],
        [401, { authorization: [`Bearer ${key}`, `Bearer ${other}`] }],
        [401, { authorization: [`Bearer ${other}`, 'Bearer nonsense'] }],
        [200, { authorization: [`Bearer ${key}`, `Bearer ${key}`], 'x-likeness-owner': ['bob', 'bob'] }],
      ];
      for (const [status, headers] of repeated) {
        const common = { accept: '*/*', 'content-type': 'application/json' };
        const options = { method: 'POST', headers: { ...common, ...headers } };
        const answer = await send(`${gateway.url}${path}`, options, JSON.stringify({ query: who }));
        expect({ status: answer.status, headers }).toEqual({ status, headers });
        expect(answer.text).toContain(status === 200 ? '"owner":"@acme/bob"' : '"code":"UNAUTHENTICATED"');
      }
    },
  );
});
