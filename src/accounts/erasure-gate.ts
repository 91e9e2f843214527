import { DomainError } from '../core/errors';
import type { Sql, Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import { admitWrite, readErasures, type Writer } from './erasure.repository';

/** `retryAfterSeconds` of requests during an erasure. */
const retryAfterSeconds = 5;

/**
 * Refuses an owner's requests while its data are being erased. All data become inaccessible at once, although the rows
 * are deleted in batches.
 */
export class ErasureGate {
  constructor(private readonly sql: Sql) {}

  /**
   * @returns the viewer with the admission that {@link transactionFor} checks
   * @throws DomainError SERVICE_UNAVAILABLE while the owner's data are being erased
   */
  async admit(viewer: Viewer): Promise<Viewer> {
    const { at, isRunning, erasures } = await readErasures(this.sql, viewer.owner);
    if (isRunning) {
      throw unavailable('Your data are being erased and cannot be read.');
    }
    return { ...viewer, admission: { at, erasures } };
  }
}

/**
 * Runs `work` in a transaction, unless an erasure of the owner's data is running or was started since the request was
 * admitted. Every transaction that creates data of an owner must use this function: it holds a lock that an erasure
 * waits for before it starts ({@link beginErasure}), so that everything committed here is erased too. Costs one
 * statement. Background work does not need it, because it writes only existing rows or under their locks.
 * @throws DomainError SERVICE_UNAVAILABLE, TIMEOUT; the transaction was rolled back
 */
export function transactionFor<Result>(
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
