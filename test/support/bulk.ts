import type { Client } from './client';
import type { ListRow, ListRows } from './list-rows';

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
