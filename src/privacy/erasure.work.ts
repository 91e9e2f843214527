import type { ErasureEntity } from '../accounts/erasure.entity';
import { admissionMs } from '../accounts/erasure.repository';
import { camelRow, type Sql, type Transactions } from '../core/sql';
import type { ErasureStep, Batch } from './erasure-steps';

/** Notifies subscribers and workers after a commit. */
export interface Announcer {
  announce(wake: { streams?: readonly string[]; work?: boolean; topics?: readonly string[] }): void;
}

export interface ErasureWorkDeps {
  database: Transactions;
  announcer: Announcer;
  steps: readonly ErasureStep[];
}

/**
 * The lease of an erasure in milliseconds, renewed with each batch. If the process exits, a worker continues the erasure
 * after this time; until then its owner stays locked out.
 */
export const erasureLeaseMs = 5_000;

/** The statement timeout in milliseconds, as set in database/data-source.ts. */
const statementMs = 15_000;

/**
 * The delay between completion and the final check, in milliseconds. The final check removes the owner from the row.
 * Requests that were admitted before the erasure are refused because of this row until then, and because of their age
 * afterwards.
 */
const finalCheckMs = admissionMs + statementMs;

/** An erasure; `until` is its time in the precision of the database. */
type Erasing = ErasureEntity & { owner: string; until: string };

/** Carries out erasures batch by batch, independent of the process that started them. */
export class ErasureWork {
  constructor(private readonly deps: ErasureWorkDeps) {}

  /**
   * Continues one erasure whose lease has expired, or runs its final check.
   * @returns the number of erasures processed
   */
  async processBatch(signal: AbortSignal): Promise<number> {
    const [due] = await this.deps.database.rows<{ id: string }>(
      `UPDATE erasures SET due_at = now() + $1 * interval '1 ms'
        WHERE id = (SELECT id FROM erasures WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [erasureLeaseMs],
    );
    if (!due) return 0;
    while (!signal.aborted && (await this.eraseBatch(due.id)));
    return 1;
  }

  /**
   * Continues an erasure until it is complete or `maxMs` have passed; a worker does the rest. Safe to run concurrently:
   * batches of one erasure are serialized by a row lock.
   */
  async carryOut(id: string, maxMs: number): Promise<void> {
    const endMs = performance.now() + maxMs;
    while (performance.now() < endMs && (await this.eraseBatch(id)));
  }

  /** @returns whether more rows may remain */
  private async eraseBatch(id: string): Promise<boolean> {
    const { database, announcer } = this.deps;
    const batch = await database.transaction(async (sql) => {
      const erasing = await lock(sql, id);
      if (!erasing) return null;
      const erased = await this.eraseNext(sql, erasing);
      if (erased) await count(sql, id, erased);
      else await close(sql, erasing);
      return erased;
    });
    // The rows have scheduled deletions of stored objects, which workers carry out.
    if (batch) announcer.announce({ streams: batch.streams, work: true });
    return batch !== null;
  }

  private async eraseNext(sql: Sql, person: Erasing): Promise<Batch | null> {
    for (const step of this.deps.steps) {
      const batch = await step(sql, person);
      if (batch.isSome) return batch;
    }
    return null;
  }
}

async function lock(sql: Sql, id: string): Promise<Erasing | null> {
  const [row] = await sql.rows<Record<string, unknown>>(
    'SELECT *, erased_at::text AS until FROM erasures WHERE id = $1 AND owner IS NOT NULL FOR UPDATE',
    [id],
  );
  return row ? camelRow<Erasing>(row) : null;
}

async function count(sql: Sql, id: string, { counts }: Batch): Promise<void> {
  const { photos = 0, models = 0, generations = 0, avatars = 0 } = counts;
  await sql.rows(
    `UPDATE erasures
        SET photos = photos + $2, models = models + $3, generations = generations + $4, avatars = avatars + $5,
            due_at = now() + $6 * interval '1 ms'
      WHERE id = $1`,
    [id, photos, models, generations, avatars, erasureLeaseMs],
  );
}

/** Called when no rows are left: marks the erasure as complete or, after the final check, removes its owner. */
async function close(sql: Sql, { id, completedAt }: Erasing): Promise<void> {
  if (completedAt === null) {
    await sql.rows(
      `UPDATE erasures SET completed_at = now(), due_at = now() + $2 * interval '1 ms' WHERE id = $1`,
      [id, finalCheckMs],
    );
  } else {
    await sql.rows(
      `UPDATE erasures SET owner = NULL, due_at = NULL WHERE id = $1 AND completed_at < now() - $2 * interval '1 ms'`,
      [id, finalCheckMs],
    );
  }
}
