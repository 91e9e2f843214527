import { BatchQueue } from '../core/batch-queue';
import { DomainError } from '../core/errors';
import { holdLock, type Sql, type Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';

/**
 * How long after its admission a request may start to write, in milliseconds: three times the time limit of an
 * operation. Must be shorter than the time for which a completed erasure keeps its owner.
 */
export const admissionMs = 30_000;

/** The viewer on whose behalf data are written. */
export type Writer = Pick<Viewer, 'owner' | 'admission'>;

/**
 * - `ERASED`: an erasure of the owner's data is running or was started after the request was admitted
 * - `LATE`: the request was admitted so long ago that later erasures may no longer be recorded
 */
export type WriteVerdict = 'ADMITTED' | 'ERASED' | 'LATE';

/**
 * SQL condition: the owner's data are being erased, from the commit of the request until the last row is deleted.
 * Routes with signed URLs, which have no authenticated viewer, include it in the statement that reads the row.
 * @param owner - SQL expression of the owner
 */
export function isBeingErased(owner: string): string {
  return `EXISTS (SELECT FROM erasures WHERE erasures.owner = ${owner} AND erasures.completed_at IS NULL)`;
}

/**
 * Whether an owner's data may be written in this transaction: the check of {@link writeTransaction}, for transactions that
 * handle a refusal themselves. Must be the first statement.
 */
export async function admitWrite(sql: Sql, { owner, admission }: Writer): Promise<WriteVerdict> {
  const [row] = await sql.rows<{ verdict: WriteVerdict }>(
    `SELECT ${sql.engine.admitWrite}($1, $2, $3, $4) AS verdict`,
    [owner, admission?.at ?? null, admission?.erasures ?? null, admissionMs],
  );
  return row!.verdict;
}

/**
 * Waits until the owner's transactions in {@link writeTransaction} have ended, and blocks new ones until this transaction
 * ends. Must be the first statement of the transaction that starts an erasure.
 * @returns the start time of the erasure in the database's notation; no data of the owner are created after it
 */
export async function beginErasure(sql: Sql, owner: string): Promise<string> {
  await holdLock(sql, 'erasure', owner);
  const [clock] = await sql.rows<{ at: string }>('SELECT clock_timestamp()::text AS at');
  return clock!.at;
}

/** `retryAfterSeconds` of requests during an erasure. */
const retryAfterSeconds = 5;

/** Maximum number of requests per statement. */
const maxOwners = 1_000;

interface Admission {
  readonly owner: string;
  readonly at: string;
  readonly isRunning: boolean;
  readonly erasures: string[];
}

/**
 * Refuses an owner's requests while its data are being erased. All data become inaccessible at once, although the rows
 * are deleted in batches. Requests of one turn of the event loop share a statement.
 */
export class RequestAdmission {
  private readonly queue: BatchQueue<string, Admission>;

  constructor(sql: Pick<Sql, 'rows'>) {
    this.queue = new BatchQueue((owners) => findAdmissions(sql, owners), maxOwners, true);
  }

  /**
   * @returns the viewer with the admission that {@link writeTransaction} checks
   * @throws DomainError SERVICE_UNAVAILABLE while the owner's data are being erased
   */
  async admit(viewer: Viewer): Promise<Viewer> {
    const { at, isRunning, erasures } = await this.queue.load(viewer.owner);
    if (isRunning) throw unavailable('Your data are being erased and cannot be read.');
    // An assignment, because a spread gives each subscriber's viewer a hidden class of its own.
    return Object.assign({}, viewer, { admission: { at, erasures } });
  }
}

async function findAdmissions(sql: Pick<Sql, 'rows'>, owners: readonly string[]): Promise<Admission[]> {
  const rows = await sql.rows<Admission>(
    `SELECT asked.owner, now()::text AS at,
            coalesce(bool_or(completed_at IS NULL) FILTER (WHERE id IS NOT NULL), false) AS "isRunning",
            coalesce(array_agg(id) FILTER (WHERE id IS NOT NULL), '{}') AS erasures
       FROM unnest($1::text[]) AS asked (owner) LEFT JOIN erasures ON erasures.owner = asked.owner
      GROUP BY asked.owner`,
    [[...new Set(owners)]],
  );
  const byOwner = new Map(rows.map((row) => [row.owner, row]));
  return owners.map((owner) => byOwner.get(owner)!);
}

/**
 * Runs `work` in a transaction, unless an erasure of the owner's data is running or was started since the request was
 * admitted. Every transaction that creates data of an owner must use this function: it holds a lock that an erasure
 * waits for before it starts ({@link beginErasure}), so that everything committed here is erased too. Costs one
 * statement. Background work does not need it, because it writes only existing rows or under their locks.
 * @throws DomainError SERVICE_UNAVAILABLE, TIMEOUT; the transaction was rolled back
 */
export function writeTransaction<Result>(
  database: Transactions,
  viewer: Writer,
  work: (sql: Sql) => Promise<Result>,
): Promise<Result> {
  return database.transaction(async (sql) => {
    const verdict = await admitWrite(sql, viewer);
    if (verdict === 'ERASED') throw unavailable('Your data are being erased. Nothing was changed.');
    if (verdict === 'LATE') {
      throw new DomainError(
        'TIMEOUT',
        'The request exceeded its time limit; this operation was not executed. Retry.',
      );
    }
    return work(sql);
  });
}

function unavailable(why: string): DomainError {
  return new DomainError('SERVICE_UNAVAILABLE', `${why} Retry in a few seconds.`, {
    details: { retryAfterSeconds },
  });
}
