import {
  addFailedGeneration,
  bulkChange,
  bulkChangeUntil,
  bulkProblems,
  bulkResult,
  times,
  type BulkResult,
} from '../support/bulk';
import type { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { ListRows } from '../support/list-rows';

let gateway: TestGateway;
let client: Client;
let rows: ListRows;

beforeAll(async () => {
  const prices = 'sandbox.training=1,sandbox.generation=1/avatar,sandbox.instant=1/avatar';
  const settings = { ROLE: 'api', MAX_BULK_OBJECTS: '3', PRICES: prices };
  gateway = await TestGateway.start(settings, { watchesStatements: true });
  ({ client } = gateway);
  rows = await ListRows.of(gateway);
});

afterAll(() => gateway.stop());

afterEach(async () => {
  await rows.clear();
  await rows.database.query(
    'TRUNCATE idempotency_keys, quota_reservations, audit_log, ledger_entries CASCADE',
  );
});

async function statusesIn(table: string): Promise<Record<string, number>> {
  const counted = await gateway.rows<{ status: string; count: number }>(
    `SELECT status, count(*)::int AS count FROM ${table} GROUP BY status`,
  );
  return Object.fromEntries(counted.map(({ status, count }) => [status, count]));
}

describe('retryGenerations', () => {
  const retry = (input: object): Promise<BulkResult> => bulkChange(client, 'retryGenerations', input);
  const filter = { statuses: ['FAILED'] };

  it('retries each failed one once, in several calls with the same key', async () => {
    await times(4, () => addFailedGeneration(rows));
    await addFailedGeneration(rows, { failure_retryable: false });
    await addFailedGeneration(rows, { owner: 'other-owner' });
    const input = { select: { filter }, expectedCount: 4, idempotencyKey: 'the-retry' };
    expect(await retry({ ...input, expectedCount: 0, dryRun: true })).toEqual({
      ...{ matchedCount: 4, changedCount: 3, hasMore: true, failures: [] },
    });
    expect(await retry(input)).toEqual({ matchedCount: 4, changedCount: 3, hasMore: true, failures: [] });
    // One that fails again is not retried by the same key, and neither is one that failed later.
    await gateway.rows(
      `UPDATE generations SET status = 'FAILED', due_at = NULL, failure_code = 'UPSTREAM_FAILED', failure_message = 'No.', failure_retryable = true
        WHERE id = (SELECT id FROM generations WHERE status = 'QUEUED' ORDER BY id LIMIT 1)`,
    );
    await addFailedGeneration(rows);
    const whole = { matchedCount: 4, changedCount: 4, hasMore: false, failures: [] };
    expect(await retry(input)).toEqual(whole);
    expect(await retry(input)).toEqual(whole);
    expect(await statusesIn('generations')).toEqual({ QUEUED: 3, FAILED: 4 });
    const audited = `SELECT count(*)::int AS count FROM audit_log WHERE action = 'retryGeneration'`;
    expect(await gateway.rows(audited)).toEqual([{ count: 4 }]);
  });

  it('ends after its time, and the next call with the same key retries the others', async () => {
    const [, second] = await times(3, () => addFailedGeneration(rows));
    const input = { select: { filter }, expectedCount: 3, idempotencyKey: 'slow' };
    const row = { table: 'generations', uuid: second!.uuid };
    expect(await bulkChangeUntil(gateway, row, () => retry(input))).toEqual({
      ...{ matchedCount: 3, changedCount: 2, hasMore: true, failures: [] },
    });
    expect(await statusesIn('generations')).toEqual({ QUEUED: 2, FAILED: 1 });
    expect(await retry(input)).toMatchObject({ matchedCount: 3, changedCount: 3, hasMore: false });
    expect(await statusesIn('generations')).toEqual({ QUEUED: 3 });
  });

  it('gives the price of all jobs that the key retries, with `dryRun` as later', async () => {
    await times(5, () => addFailedGeneration(rows));
    await addFailedGeneration(rows, { failure_retryable: false });
    const mutation = `mutation ($input: RetryGenerationsInput!) {
      retryGenerations(input: $input) { result { hasMore } cost { amount } } }`;
    const priceOf = async (dryRun: boolean): Promise<unknown> => {
      const input = { select: { filter }, expectedCount: 5, idempotencyKey: 'priced', dryRun };
      const { retryGenerations } = await client.request<{
        retryGenerations: { result: { hasMore: boolean }; cost: { amount: string } };
      }>(mutation, { input });
      if (!dryRun && retryGenerations.result.hasMore) return priceOf(false);
      return retryGenerations.cost.amount;
    };
    const price = await priceOf(true);
    expect(await priceOf(false)).toBe(price);
    expect(
      await gateway.rows(
        `SELECT (sum(amount) / 1000000)::text AS sum FROM ledger_entries WHERE kind = 'RESERVED'`,
      ),
    ).toMatchObject([{ sum: expect.stringMatching(new RegExp(`^${String(price)}[.]0*$`)) }]);
  });

  it('retries each job once if calls with one key overlap', async () => {
    await times(3, () => addFailedGeneration(rows));
    const input = { select: { filter }, expectedCount: 3, idempotencyKey: 'at-once' };
    const results = await Promise.all(Array.from({ length: 5 }, () => retry(input)));
    expect(results.every(({ matchedCount }) => matchedCount === 3)).toBe(true);
    expect(await retry(input)).toMatchObject({ changedCount: 3, hasMore: false });
    expect(await gateway.rows('SELECT count(*)::int AS count FROM quota_reservations')).toEqual([
      { count: 3 },
    ]);
  });

  it('names those that cannot be retried, and retries the others', async () => {
    const [retried, again, completed, gone] = [
      await addFailedGeneration(rows),
      await addFailedGeneration(rows, { failure_retryable: false }),
      await rows.addGeneration(),
      await addFailedGeneration(rows, { owner: 'other-owner' }),
    ];
    const ids = [retried.id, again.id, completed.id, gone.id];
    const input = { select: { ids }, expectedCount: 3, idempotencyKey: 'by-ids' };
    const failures = [
      [gone.id, 'NOT_FOUND'],
      [again.id, 'NOT_RETRYABLE'],
      [completed.id, 'NOT_RETRYABLE'],
    ];
    for (const found of [await retry({ ...input, dryRun: true }), await retry(input), await retry(input)]) {
      expect(found).toMatchObject({ matchedCount: 3, changedCount: 1, hasMore: false });
      expect(found.failures.map(({ id, code }) => [id, code])).toEqual(failures);
    }
    expect(await statusesIn('generations')).toEqual({ QUEUED: 1, FAILED: 2, COMPLETED: 1 });
  });

  it('does not retry a job that was attempted again after it was recorded', async () => {
    await times(4, () => addFailedGeneration(rows));
    const input = { select: { filter }, expectedCount: 4, idempotencyKey: 'attempted' };
    await retry(input);
    await gateway.rows(`UPDATE generations SET attempt = 2 WHERE status = 'FAILED'`);
    expect(await retry(input)).toMatchObject({
      ...{ matchedCount: 4, changedCount: 3, hasMore: false },
      failures: [{ code: 'NOT_RETRYABLE' }],
    });
  });

  it('refuses another number than expected without using the key, and a key with another input', async () => {
    await addFailedGeneration(rows);
    const input = { select: { filter }, expectedCount: 2, idempotencyKey: 'a-key' };
    expect(await bulkProblems(client, 'retryGenerations', input)).toEqual([
      ['input.expectedCount', 'INVALID_INPUT'],
    ]);
    expect(await statusesIn('generations')).toEqual({ FAILED: 1 });
    expect(await retry({ ...input, expectedCount: 1 })).toMatchObject({ changedCount: 1 });
    expect(await bulkProblems(client, 'retryGenerations', { ...input, expectedCount: 0 })).toEqual([
      ['input.idempotencyKey', 'IDEMPOTENCY_KEY_REUSED'],
    ]);
  });

  it('takes 10,000 jobs at most, and refuses more before any is retried', async () => {
    const failed = await addFailedGeneration(rows);
    const columns = (
      await gateway.rows<{ name: string }>(
        `SELECT column_name AS name FROM information_schema.columns
          WHERE table_name = 'generations' AND table_schema = current_schema() AND column_name <> 'id' AND is_generated = 'NEVER'`,
      )
    ).map(({ name }) => `"${name}"`);
    const copy = (count: number): Promise<unknown> =>
      gateway.rows(
        `INSERT INTO generations (id, ${columns.join()}) SELECT gen_random_uuid(), ${columns.join()}
           FROM generations, generate_series(1, $2) WHERE id = $1`,
        [failed.uuid, count],
      );
    await copy(10_000);
    const input = { select: { filter }, expectedCount: 10_001, idempotencyKey: 'very-many' };
    expect(await bulkProblems(client, 'retryGenerations', input)).toEqual([
      ['input.select', 'INVALID_INPUT'],
    ]);
    expect(await statusesIn('generations')).toEqual({ FAILED: 10_001 });
    await gateway.rows('DELETE FROM generations WHERE id = $1', [failed.uuid]);
    expect(await retry({ ...input, expectedCount: 10_000 })).toMatchObject({
      ...{ matchedCount: 10_000, changedCount: 3, hasMore: true },
    });
  });

  it('counts as a paid call of its request', async () => {
    const call = (alias: string): string =>
      `${alias}: retryGenerations(input: { select: { filter: {} }, expectedCount: 0, idempotencyKey: "${alias}" }) { ${bulkResult} }`;
    const refusal = await client.refusal(`mutation { ${call('a')} ${call('b')} }`);
    expect(refusal.extensions.code).toBe('QUERY_TOO_COMPLEX');
  });
});
