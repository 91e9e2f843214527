import { elapsedSince } from '../core/clock';
import { isServiceUnavailable } from '../core/errors';
import type { Sql, Transactions } from '../core/sql';
import { CommandError } from './shell';

/** The database ends a transaction that is idle for 10 s; so it gets a statement more often, whatever else the command does. */
const maxIdleMs = 10_000;
const statementIntervalMs = 2_000;

/**
 * Runs `work` in a transaction that may take any time, also between its statements, while this process runs. If the process is
 * suspended, the database ends the transaction: its locks would stop migrations, and its snapshot the removal of old rows.
 */
export async function inLongTransaction<Result>(
  database: Transactions,
  work: (sql: Sql) => Promise<Result>,
): Promise<Result> {
  let sinceCheck = elapsedSince();
  let maxGapMs = 0;
  const check = (): void => {
    maxGapMs = Math.max(maxGapMs, sinceCheck());
    sinceCheck = elapsedSince();
  };
  try {
    const run = (sql: Sql): Promise<Result> => neverIdle(sql, check, work);
    return await database.transaction(run, { isLong: true });
  } catch (error) {
    if (maxGapMs > maxIdleMs && isServiceUnavailable(error)) throw suspended(error);
    throw error;
  }
}

/**
 * Runs `work` while the transaction is not idle. Statements are run one after the other.
 * @param onInterval - called every 2 s while this process runs, and at the end of `work`; the commit may take any time
 */
async function neverIdle<Result>(
  sql: Sql,
  onInterval: () => void,
  work: (sql: Sql) => Promise<Result>,
): Promise<Result> {
  let pending = 0;
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = async <Answer>(statement: () => Promise<Answer>): Promise<Answer> => {
    pending += 1;
    const answer = last.then(statement).finally(() => (pending -= 1));
    last = answer.catch(() => undefined);
    return answer;
  };
  const interval = setInterval(() => {
    onInterval();
    if (pending === 0) inTurn(() => sql.rows('SELECT 1')).catch(() => undefined);
  }, statementIntervalMs);
  try {
    return await work({
      engine: sql.engine,
      rows: (...statement) => inTurn(() => sql.rows(...statement)),
      entities: (...statement) => inTurn(() => sql.entities(...statement)),
    });
  } finally {
    clearInterval(interval);
    onInterval();
    await last;
  }
}

const suspended = (cause: unknown): CommandError =>
  new CommandError(
    `The command was suspended for more than ${maxIdleMs / 1_000} seconds, so the database has ended its transaction. Run it again.`,
    { cause },
  );
