import { DomainError } from '../core/errors';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';

/** How long an erasure of many rows may go on after its mutation has answered, in seconds; a word to clients. */
const patienceSeconds = 5;

/**
 * SQL that is true while an owner's data are being erased: from the commit by which somebody asked for it until the last
 * row is gone. What is opened by a signed URL, and so by nobody's name, asks for this in the statement that finds it.
 * @param owner - SQL for the owner
 */
export function isBeingErased(owner: string): string {
  return `EXISTS (SELECT FROM erasures WHERE erasures.owner = ${owner} AND erasures.completed_at IS NULL)`;
}

/**
 * How long after its admission a request may begin to write, in milliseconds: three times the time limit of an operation.
 * Shorter than the time for which an erasure that is complete still knows its owner.
 */
export const admissionMs = 30_000;

/** Who writes for an owner. */
type Writer = Pick<Viewer, 'owner' | 'admission'>;

/**
 * - `ERASED`: an erasure of the owner's data is running, or was begun after the request was admitted
 * - `LATE`: the request was admitted too long ago for the database to know about erasures since
 */
type WriteVerdict = 'ADMITTED' | 'ERASED' | 'LATE';

/**
 * Keeps an owner out while its data are being erased, so that all of them are gone at once for every reader, though
 * their rows are deleted in batches.
 */
export class ErasureGate {
  constructor(private readonly sql: Sql) {}

  /**
   * @returns the viewer as {@link transactionFor} needs it
   * @throws DomainError SERVICE_UNAVAILABLE while the owner's data are being erased
   */
  async admit(viewer: Viewer): Promise<Viewer> {
    const [found] = await this.sql.rows<{ at: string; is_running: boolean; erasures: string[] }>(
      `SELECT now()::text AS at, coalesce(bool_or(completed_at IS NULL), false) AS is_running,
              coalesce(array_agg(id), '{}') AS erasures
         FROM erasures WHERE owner = $1`,
      [viewer.owner],
    );
    const { at, is_running: isRunning, erasures } = found!;
    if (isRunning) {
      throw unavailable('Your data are being erased and cannot be read.');
    }
    return { ...viewer, admission: { at, erasures } };
  }
}

/**
 * Commits what `work` writes for an owner, unless an erasure of the owner's data is running or has begun since the
 * request was admitted. Every transaction that creates anything of an owner's goes through here: it holds a lock until it
 * ends that an erasure waits for before it begins ({@link beginErasure}), so that what is committed here is erased too.
 * Costs one statement. Background work needs none of this: it writes only to, or under the lock of, rows that exist.
 * @throws DomainError SERVICE_UNAVAILABLE, TIMEOUT; nothing was written then
 */
export function transactionFor<Result>(
  database: Transactions,
  viewer: Writer,
  work: (sql: Sql) => Promise<Result>,
): Promise<Result> {
  return database.transaction(async (sql) => {
    const verdict = await admitWrite(sql, viewer);
    if (verdict === 'ERASED') throw unavailable('Your data are being erased; nothing was changed.');
    if (verdict === 'LATE') {
      throw new DomainError(
        'TIMEOUT',
        'The request took too long, and this part of it was not done. Send it again.',
      );
    }
    return work(sql);
  });
}

/**
 * Whether an owner's data may be written in this transaction: the check of {@link transactionFor}, first in a transaction
 * that has another way to go on.
 */
export async function admitWrite(sql: Sql, { owner, admission }: Writer): Promise<WriteVerdict> {
  const [found] = await sql.rows<{ verdict: WriteVerdict }>('SELECT admit_write($1, $2, $3, $4) AS verdict', [
    owner,
    admission?.at ?? null,
    admission?.erasures ?? null,
    admissionMs,
  ]);
  return found!.verdict;
}

/**
 * Waits until every transaction that {@link transactionFor} has let write for the owner has ended, and keeps others
 * waiting until this one ends. First in the transaction that marks the beginning of an erasure.
 * @returns the time from which on nothing of the owner's is written, as the database wrote it
 */
export async function beginErasure(sql: Sql, owner: string): Promise<string> {
  await sql.rows(`SELECT pg_advisory_xact_lock(hashtextextended('erasure:' || $1, 0))`, [owner]);
  const [clock] = await sql.rows<{ at: string }>('SELECT clock_timestamp()::text AS at');
  return clock!.at;
}

function unavailable(why: string): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `${why} Send the request again in a few seconds.`, {
    details: { retryAfterSeconds: patienceSeconds },
  });
}
