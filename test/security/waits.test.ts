import { Client, jwtSettings } from '../support/client';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { transports, type HttpResult, type Operation, type Result } from '../support/graphql-client';
import { until } from '../support/until';

const long = 30_000;
const query =
  'query ($id: ID!, $waitMs: Int!) { model(id: $id, waitMs: $waitMs) { id status } viewer { owner } }';

describe('waits', () => {
  let gateway: TestGateway;
  let alice: Client;
  let id: string;

  beforeAll(async () => {
    gateway = await TestGateway.start({
      ...jwtSettings,
      ...{ AUTH: 'jwt,keys', ROLE: 'api', BATCHING: 'true', DATABASE_POOL: '2' },
      ...{ MAX_WAITS: '5', MAX_WAITS_PER_OWNER: '3' },
    });
    alice = await Client.of(gateway, 'alice');
    id = (await alice.train({ photoIds: await alice.upload() })).id;
  });
  afterAll(async () => {
    alice.close();
    await gateway.stop();
  });

  const areWaiting = (count: number): Promise<void> =>
    until(async () => {
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      return metrics.includes(`\nlikeness_waits ${count}\n`);
    });
  const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;
  /** Begins waits of a client one after the other, and returns their answers. */
  const begin = async (
    client: Client,
    job: string,
    count: number,
    already = 0,
  ): Promise<Promise<HttpResult>[]> => {
    const begun: Promise<HttpResult>[] = [];
    for (let number = 1; number <= count; number += 1) {
      begun.push(client.post(query, { id: job, waitMs: long }));
      await areWaiting(already + number);
    }
    return begun;
  };

  it('are limited for each owner and in all, and the other fields of a refused query are answered', async () => {
    const bob = await Client.of(gateway, 'bob');
    const { id: ofBob } = await bob.train({ photoIds: await bob.upload() });
    const waiting = await begin(alice, id, 3);
    for (const transport of transports) {
      const refused = await alice.execute(transport, { query, variables: { id, waitMs: long } });
      expect(refused.data).toEqual({ model: null, viewer: { owner: 'alice' } });
      expect(refused.errors).toMatchObject([
        { path: ['model'], extensions: { code: 'RATE_LIMITED', maximum: 3 } },
      ]);
    }
    waiting.push(...(await begin(bob, ofBob, 2, 3)));
    const refused = await bob.post(query, { id: ofBob, waitMs: long });
    expect(refused).toMatchObject({ data: { model: null, viewer: { owner: 'bob' } } });
    expect(refused.errors).toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE', maximum: 5 } }]);
    // Requests that do not wait have the connections of the pool.
    expect((await alice.post(query, { id, waitMs: 0 })).data).toMatchObject({ model: { status: 'QUEUED' } });
    await Promise.all([alice.rename(id, 'new'), bob.rename(ofBob, 'new')]);
    for (const answer of await Promise.all(waiting)) expect(answer.errors).toBeUndefined();
    await areWaiting(0);
  });

  it.each([
    ['aliases', '{ a: model(id: $id, waitMs: 9) { id } b: model(id: $id, waitMs: 9) { id } }'],
    [
      'fragments',
      '{ ...A ... { b: model(id: $id, waitMs: $ms) { id } } } fragment A on Query { generation(id: $id, waitMs: 1) { id } }',
    ],
    ['invalid times', '{ a: model(id: $id, waitMs: -1) { id } b: model(id: $id, waitMs: 9) { id } }'],
  ])('of one request are limited to one, over all transports: %s', async (_what, selection) => {
    const operation: Operation = {
      query: `query ($id: ID!, $ms: Int! = 7) ${selection}`.replace(
        selection.includes('$ms') ? '' : ', $ms: Int! = 7',
        '',
      ),
      variables: { id },
    };
    for (const transport of transports) {
      const { data, errors } = await alice.execute(transport, operation);
      expect(data).toBeUndefined();
      expect(errors).toMatchObject([
        { extensions: { code: 'QUERY_TOO_COMPLEX', limit: 'waits', given: 2, maximum: 1 } },
      ]);
    }
  });

  it('of one request are limited to one, also in batches', async () => {
    const send = async (waits: readonly number[]): Promise<unknown> => {
      const response = await fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${alice.token!}` },
        body: JSON.stringify(waits.map((waitMs) => ({ query, variables: { id, waitMs } }))),
      });
      return response.json();
    };
    expect(codeOf((await send([1, 0, 1])) as Result)).toBe('QUERY_TOO_COMPLEX');
    const answer = { data: { model: { id, status: 'QUEUED' }, viewer: { owner: 'alice' } } };
    expect(await send([1, 0])).toEqual([answer, answer]);
    const [refused, other] = (await send([-1, 0])) as [Result, Result];
    expect([refused.data, codeOf(refused), other]).toEqual([
      { ...answer.data, model: null },
      'INVALID_INPUT',
      answer,
    ]);
  });

  it('that are skipped, or the same field twice, count once', async () => {
    const { data, errors } = await alice.post(
      `query ($id: ID!, $no: Boolean! = false) { model(id: $id, waitMs: 9) { id } model(id: $id, waitMs: 9) { status }
         b: model(id: $id, waitMs: 9) @include(if: $no) { id } c: model(id: $id, waitMs: 0) { id } }`,
      { id },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ model: { id, status: 'QUEUED' }, c: { id } });
  });

  it.each(transports)(
    'are made although another field has an unreadable cursor, over %s',
    async (transport) => {
      const fields = 'bad: model(id: $id, after: "x") { id } model(id: $id, waitMs: 30000) { name }';
      const waiting = alice.execute(transport, {
        query: `query ($id: ID!) { ${fields} }`,
        variables: { id },
      });
      await areWaiting(1);
      await alice.rename(id, transport);
      const { data, errors } = await waiting;
      expect(data).toEqual({ bad: null, model: { name: transport } });
      expect(errors).toMatchObject([
        { path: ['bad'], extensions: { code: 'INVALID_CURSOR', field: 'after' } },
      ]);
    },
  );

  it('need the scope read', async () => {
    const key = (await operate('keys', 'create', '--owner', 'alice', '--scopes', 'write')).out;
    const answer = await Client.with(gateway, 'alice', key).post(query.replace('viewer { owner }', ''), {
      id,
      waitMs: long,
    });
    expect(codeOf(answer)).toBe('FORBIDDEN');
  });

  it('end when their API key is revoked', async () => {
    const key = (await operate('keys', 'create', '--owner', 'alice')).out;
    const waiting = await begin(Client.with(gateway, 'alice', key), id, 1);
    await operate('keys', 'revoke', key.split('_')[1]!);
    const { status, data, errors } = await waiting[0]!;
    expect([status, data, errors![0]!.extensions.code]).toEqual([401, undefined, 'UNAUTHENTICATED']);
    await areWaiting(0);
  });

  it('end when the data of their owner are erased, which is answered at once afterwards', async () => {
    const carol = await Client.of(gateway, 'carol');
    const { id: ofCarol } = await carol.train({ photoIds: await carol.upload() });
    const [waiting] = await begin(carol, ofCarol, 1);
    await gateway.rows(`INSERT INTO erasures (id, owner) VALUES (gen_random_uuid(), 'carol')`);
    await carol
      .post(query, { id: ofCarol, waitMs: long })
      .then((answer) => expect(codeOf(answer)).toBe('SERVICE_UNAVAILABLE'));
    await gateway.rows(`UPDATE erasures SET completed_at = now() WHERE owner = 'carol'`);
    await carol.erase();
    await waiting;
    await areWaiting(0);
  });

  const operate = (...words: string[]): ReturnType<typeof likeness> =>
    likeness({ DATABASE_URL: gateway.database.url }, ...words);
});
