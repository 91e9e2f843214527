import { BatchQueue } from '../core/batch-queue';
import { backoffMs, pause } from '../core/clock';
import { DomainError } from '../core/errors';

/** A row and its owner. */
export interface OwnedKey {
  owner: string;
  id: string;
}

/** Limits of {@link PresentRows}. */
export interface PresentRowsLimits {
  /**
   * While the database is unavailable.
   * @defaultValue 5
   */
  readonly maxRetries?: number;
  /**
   * Per statement.
   * @defaultValue 1_000
   */
  readonly maxKeys?: number;
}

const firstPauseMs = 100;
const maxPauseMs = 2_000;

/**
 * Reads the rows of events as they are now. Reads that are requested together share a statement, also those of different
 * operations. While the database is unavailable, a read is retried for a few seconds.
 */
export class PresentRows<Row extends OwnedKey> {
  private readonly queue: BatchQueue<OwnedKey, Row | null>;
  private readonly maxRetries: number;

  /** @param read - returns the rows of the owners, in any order, by one statement */
  constructor(
    private readonly read: (keys: readonly OwnedKey[]) => Promise<readonly Row[]>,
    { maxRetries = 5, maxKeys }: PresentRowsLimits = {},
  ) {
    this.queue = new BatchQueue((keys) => this.readBatch(keys), maxKeys);
    this.maxRetries = maxRetries;
  }

  /**
   * The row, read after this call; null if its owner has no such row.
   * @throws DomainError SERVICE_UNAVAILABLE
   */
  find({ owner, id }: OwnedKey): Promise<Row | null> {
    return this.queue.load({ owner, id });
  }

  private async readBatch(keys: readonly OwnedKey[]): Promise<(Row | null)[]> {
    const distinct = new Map(keys.map((key) => [nameOf(key), key]));
    const rows = await this.retry([...distinct.values()]);
    const found = new Map(rows.map((row) => [nameOf(row), row]));
    return keys.map((key) => found.get(nameOf(key)) ?? null);
  }

  private async retry(keys: readonly OwnedKey[]): Promise<readonly Row[]> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.read(keys);
      } catch (error) {
        const isTemporary = error instanceof DomainError && error.code === 'SERVICE_UNAVAILABLE';
        if (!isTemporary || failures > this.maxRetries) throw error;
        await pause(backoffMs(failures, firstPauseMs, maxPauseMs));
      }
    }
  }
}

/** Ids have no spaces. */
function nameOf({ owner, id }: OwnedKey): string {
  return `${id} ${owner}`;
}
