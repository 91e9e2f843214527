import { SuspensionWatch } from '../core/clock';
import { isServiceUnavailable } from '../core/errors';
import type { Sql, Transactions } from '../core/sql';
import { CommandError } from './shell';

/** The database ends a transaction that is idle for 10 s; so it gets a statement more often, whatever else the command does. */
const maxIdleMs = 10_000;
const statementIntervalMs = 2_000;

/**
 * Runs `work` in a transaction that may take any time, also between its statements, while this process runs. If the process is
 * suspended, the database ends the transaction: its locks would stop migrations, and its snapshot the removal of old rows.
 * @param work - `assertHeld` throws a CommandError if the database may have ended the transaction so, or is known to have ended it
 * otherwise: call it before what needs its locks without a statement, such as a change of files
 */
export async function inLongTransaction<Result>(
  database: Transactions,
  work: (sql: Sql, assertHeld: () => void) => Promise<Result>,
): Promise<Result> {
  const lastAttempt = { wasSuspended: false };
  /** Called again if the database repeats the transaction. */
  const run = async (sql: Sql): Promise<Result> => {
    const watch = new SuspensionWatch(maxIdleMs);
    // The transaction may have been idle since its last statement.
    const lockWatch = new SuspensionWatch(maxIdleMs - statementIntervalMs);
    let isLost = false;
    const assertHeld = (): void => {
      if (lockWatch.wasSuspended()) throw new CommandError('The command was suspended. Run it again.');
      if (isLost)
        throw new CommandError('The database has ended the transaction of the command. Run it again.');
    };
    try {
      return await neverIdle(
        sql,
        (inTurn) => work(inTurn, assertHeld),
        () => (isLost = true),
      );
    } finally {
      // Before the commit, which may take any time.
      watch.stop();
      lockWatch.stop();
      lastAttempt.wasSuspended = watch.wasSuspended();
    }
  };
  try {
    return await database.transaction(run, { isLong: true });
  } catch (error) {
    if (lastAttempt.wasSuspended && isServiceUnavailable(error)) throw suspended(error);
    throw error;
  }
}

/**
 * Runs `work` while the transaction is not idle. Statements are run one after the other.
 * @param onLost - called when a statement that keeps it from being idle has failed
 */
async function neverIdle<Result>(
  sql: Sql,
  work: (sql: Sql) => Promise<Result>,
  onLost: () => void,
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
    if (pending === 0) inTurn(() => sql.rows('SELECT 1')).catch(onLost);
  }, statementIntervalMs);
  try {
    return await work({
      engine: sql.engine,
      rows: (...statement) => inTurn(() => sql.rows(...statement)),
      entities: (...statement) => inTurn(() => sql.entities(...statement)),
    });
  } finally {
    clearInterval(interval);
    await last;
  }
}

const suspended = (cause: unknown): CommandError =>
  new CommandError(
    `The command was suspended for more than ${maxIdleMs / 1_000} seconds, so the database has ended its transaction. Run it again.`,
    { cause },
  );
