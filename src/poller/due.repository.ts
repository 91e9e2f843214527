import { dueExpressions, type DueQuery } from '../core/due';

/** Runs the statement, as `Sql.rows`. */
export type RunDueTimes = (
  text: string,
  parameters: readonly unknown[],
) => Promise<{ dueInMs: (number | null)[] }[]>;

/**
 * Reads several due times in one statement.
 * @returns in the order of the queries, the milliseconds until the time, negative if it has passed; null for none
 */
export async function readDueTimes(
  run: RunDueTimes,
  queries: readonly DueQuery[],
): Promise<(number | null)[]> {
  const times = dueExpressions(queries, 1).join(', ');
  const [row] = await run(
    `SELECT ARRAY(SELECT (extract(epoch FROM due - clock_timestamp()) * 1000)::float8
                    FROM unnest(ARRAY[${times}]::timestamptz[]) WITH ORDINALITY AS times (due, place)
                   ORDER BY place) AS "dueInMs"`,
    queries.flatMap(({ parameters }) => parameters),
  );
  return row!.dueInMs;
}
