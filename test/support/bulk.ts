import type { Client } from './client';
import type { TestGateway } from './gateway';
import type { ListRow, ListRows } from './list-rows';
import { until } from './until';

/** The time after which a call begins no further change, in milliseconds. */
const maxBulkMs = 5_000;

/** The `result` of a bulk mutation. */
export interface BulkResult {
  matchedCount: number;
  changedCount: number;
  hasMore: boolean;
  failures: { id: string; code: string; message: string }[];
}

/** The selection of all fields of a result. */
export const bulkResult = 'result { matchedCount changedCount hasMore failures { id code message } }';

const queryOf = (mutation: string): string => {
  const type = `${mutation[0]!.toUpperCase()}${mutation.slice(1)}Input`;
  return `mutation ($input: ${type}!) { change: ${mutation}(input: $input) { ${bulkResult} } }`;
};

/** Calls a bulk mutation. */
export async function bulkChange(client: Client, mutation: string, input: object): Promise<BulkResult> {
  const query = queryOf(mutation);
  return (await client.request<{ change: { result: BulkResult } }>(query, { input })).change.result;
}

/**
 * Calls a bulk mutation whose time is over while it changes a row.
 * @param row - locked until then
 */
export async function bulkChangeUntil(
  gateway: TestGateway,
  row: { table: string; uuid: string },
  call: () => Promise<BulkResult>,
): Promise<BulkResult> {
  const session = await gateway.database.session();
  await session.query('BEGIN');
  await session.query(`SELECT FROM ${row.table} WHERE id = $1 FOR UPDATE`, [row.uuid]);
  const calling = call();
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await until(async () => (await gateway.rows(waiting)).length > 0);
  const now = performance.now.bind(performance);
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + maxBulkMs);
  try {
    await session.query('COMMIT');
    return await calling;
  } finally {
    clock.mockRestore();
  }
}

/** The paths and codes of the problems for which a bulk mutation is refused. */
export async function bulkProblems(
  client: Client,
  mutation: string,
  input: object,
): Promise<[string, string][]> {
  const { extensions } = await client.refusal(queryOf(mutation), { input });
  const problems = extensions.problems as { path: (string | number)[]; code: string }[];
  return problems.map(({ path, code }) => [path.join('.'), code]);
}

/** Adds a generation that FAILED and can be retried. */
export async function addFailedGeneration(rows: ListRows, columns: object = {}): Promise<ListRow> {
  const model = await rows.addModel();
  const failure = { failure_code: 'UPSTREAM_FAILED', failure_message: 'No.', failure_retryable: true };
  const failed = { status: 'FAILED', provider_ref: null, attempt: 1, ...failure };
  return rows.addGeneration(model.uuid, { ...failed, ...columns });
}

/** Runs `work` several times, one after the other. */
export async function times<Value>(count: number, work: (index: number) => Promise<Value>): Promise<Value[]> {
  const values: Value[] = [];
  for (let index = 0; index < count; index += 1) values.push(await work(index));
  return values;
}
