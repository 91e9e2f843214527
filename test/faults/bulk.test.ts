import { FaultsEnvironment } from '../support/faults-environment';
import { eventually, within } from '../support/until';

jest.setTimeout(300_000);

interface Result {
  matchedCount: number;
  changedCount: number;
  hasMore: boolean;
}

describe('a gateway that is killed during a bulk mutation', () => {
  let environment: FaultsEnvironment;
  let modelId: string;

  beforeAll(async () => {
    environment = await FaultsEnvironment.open();
    const { client } = environment;
    ({ id: modelId } = await client.train({ photoIds: await client.upload(5) }));
    await eventually(
      'a model',
      () => client.model(modelId),
      (model) => model?.status === 'READY',
    );
  });

  afterAll(() => environment.stop());

  /** Generations of one avatar each that end as FAILED. */
  async function failedGenerations(count: number): Promise<string[]> {
    const { client, sandbox } = environment;
    await sandbox.fault({ on: 'generate', kind: 'failed', times: count });
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1)
      ids.push((await client.generate(modelId, [{ count: 1 }])).id);
    for (const id of ids)
      await eventually(
        'a failed generation',
        () => client.generation(id),
        (generation) => generation?.status === 'FAILED',
      );
    return ids;
  }

  async function call(mutation: string, input: object): Promise<Result> {
    const type = `${mutation[0]!.toUpperCase()}${mutation.slice(1)}Input`;
    const query = `mutation ($input: ${type}!) { change: ${mutation}(input: $input) { result { matchedCount changedCount hasMore } } }`;
    return (await environment.client.request<{ change: { result: Result } }>(query, { input })).change.result;
  }

  /** Calls the mutation, and kills the gateway when it has changed `nth` objects. */
  async function killDuring(
    mutation: string,
    input: object,
    at: { point: 'mutation:committed' | 'delete:marked'; nth: number },
  ): Promise<void> {
    const { reached } = await environment.gateway.arm(at.point, at.nth);
    const lost = call(mutation, input).catch(() => undefined);
    await within(`${mutation} at ${at.point}`, reached);
    await environment.gateway.kill();
    await environment.restartGateway();
    await lost;
  }

  it('has retried some jobs; the repeated call retries the others, and each is paid for once', async () => {
    const ids = await failedGenerations(4);
    const before = await environment.paid();
    const input = { select: { filter: {} }, expectedCount: 4, idempotencyKey: 'the-retry' };
    await killDuring('retryGenerations', input, { point: 'mutation:committed', nth: 2 });
    const count = `SELECT count(*)::int AS count FROM audit_log WHERE action = 'retryGeneration'`;
    expect(await environment.rows(count)).toEqual([{ count: 2 }]);
    const whole = { matchedCount: 4, changedCount: 4, hasMore: false };
    expect(await call('retryGenerations', input)).toEqual(whole);
    for (const id of ids)
      await eventually(
        'a retried generation',
        () => environment.client.generation(id),
        (generation) => generation?.status === 'COMPLETED',
      );
    expect(await call('retryGenerations', input)).toEqual(whole);
    expect(await environment.rows(count)).toEqual([{ count: 4 }]);
    expect(await environment.paid()).toBe(before + 4);
  });

  it('has deleted some objects; the repeated call deletes the others', async () => {
    const avatars = async (): Promise<number> =>
      (await environment.rows<{ count: number }>('SELECT count(*)::int AS count FROM avatars'))[0]!.count;
    const all = await avatars();
    const input = { select: { modelId } };
    await killDuring('deleteAvatars', input, { point: 'delete:marked', nth: 2 });
    // The deletion of the first one's files may have reached the point before the second one.
    const left = await avatars();
    expect([all - 1, all - 2]).toContain(left);
    expect(await call('deleteAvatars', input)).toEqual({
      matchedCount: left,
      changedCount: left,
      hasMore: false,
    });
    expect(await avatars()).toBe(0);
  });
});
